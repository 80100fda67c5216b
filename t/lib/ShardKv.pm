package ShardKv;

# One shardkv of a test, in a temporary folder on a port of its own:
#
#     my $kv = ShardKv->start('--log-keep' => 5);
#     my $r = $kv->call('PUT', '/_shard/7/role', {}, '{"role":...}');
#     $kv->kill9(); $kv->again();
#     is($kv->stop(), 0, 'stopped cleanly');
#
# With --store among the arguments there is no folder.
#
# is_refused($r, 409, 'epoch', 'what') looks at an answer's error, lines($r)
# decodes its NDJSON.
#
# SHARD_SAN=1 takes the sanitizer build.

use warnings;
use strict;

use Exporter qw/ import /;
use File::Basename qw/ dirname /;
use File::Temp qw/ tempdir /;
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Test::More ();
use Time::HiRes qw/ sleep time /;

our @EXPORT_OK = qw/ is_refused lines /;

my $build = dirname(__FILE__) . '/../../build' . ($ENV{SHARD_SAN} ? '/san' : '');
my %running;


sub binary { return "$build/shardkv" }


sub start {
    my ($class, @args) = @_;

    my $dir = tempdir('shardkv.XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $self = bless { dir => $dir, args => \@args, owner => $$ }, $class;

    return $self->again();
}


# on the same folder as before

sub again {
    my ($self) = @_;

    $self->{log} = "$self->{dir}/log";
    unlink $self->{log};

    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        open STDERR, '>', $self->{log} or die "$self->{log}: $!";
        my @where = grep({ $_ eq '--store' } @{$self->{args}})
            ? () : ('--dir', "$self->{dir}/data");
        exec binary(), '--listen', '127.0.0.1:0', @where, '--name', 'n1',
             @{$self->{args}}
            or POSIX::_exit(127);
    }

    $self->{pid} = $pid;
    $running{$pid} = $$;

    my $end = time() + 10;
    my $ready = qr/^shardkv n1: listening on 127\.0\.0\.1:(\d+)$/m;

    until (($self->{port}) = $self->log() =~ $ready) {
        die "shardkv did not start: " . $self->log() if time() > $end;
        sleep 0.01;
    }

    return $self;
}


sub log {
    my ($self) = @_;

    open my $fh, '<', $self->{log} or return '';
    local $/;

    return scalar(<$fh>) // '';
}


# HTTP::Tiny of this process; one connection, kept

sub http {
    my ($self) = @_;

    if (($self->{http_owner} // '') ne "$$ $self->{port}") {
        $self->{http} = HTTP::Tiny->new(keep_alive => 1, timeout => 30);
        $self->{http_owner} = "$$ $self->{port}";
    }

    return $self->{http};
}


sub call {
    my ($self, $method, $path, $headers, $content) = @_;

    my %options = (headers => { 'Content-Type' => 'application/octet-stream',
                                %{$headers || {}} });
    $options{content} = $content if defined $content;

    my $r = $self->http()->request($method,
                                   "http://127.0.0.1:$self->{port}$path",
                                   \%options);

    $r->{position} = $r->{headers}{'x-shard-position'};
    $r->{json} = eval { decode_json($r->{content}) } || {};
    $r->{code} = $r->{json}{error} ? $r->{json}{error}{code} : '';

    return $r;
}


sub role {
    my ($self, $shard, $role, $epoch) = @_;

    return $self->call('PUT', "/_shard/$shard/role", {},
                       encode_json({ role => $role, epoch => $epoch }));
}


# an ordinary request as the router sends it

sub routed {
    my ($self, $shard, $epoch, $method, $path, $content, $role) = @_;

    return $self->call($method, $path,
                       { 'X-Shard-Id' => $shard, 'X-Shard-Epoch' => $epoch,
                         'X-Shard-Role' => $role || 'primary' }, $content);
}


sub is_refused {
    my ($r, $status, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    Test::More::is("$r->{status} $r->{code}", "$status $code", $name)
        or Test::More::diag($r->{content});
}


sub lines {
    my ($r) = @_;

    return [ map { decode_json($_) } split /\n/, $r->{content} ];
}


sub socket {
    my ($self) = @_;

    return IO::Socket::INET->new(PeerAddr => "127.0.0.1:$self->{port}",
                                 Timeout => 5)
        // die "127.0.0.1:$self->{port}: $!";
}


# "GET /path" by hand; the status

sub raw {
    my ($self, $text) = @_;

    my $s = $self->socket();
    print $s $text;
    my $line = <$s> // '';

    return $line =~ m!^HTTP/1\.1 (\d+)! ? $1 : 0;
}


sub kill9 {
    my ($self) = @_;

    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
    delete $running{$self->{pid}};

    return $?;
}


sub stop {
    my ($self) = @_;

    kill 'TERM', $self->{pid};

    my $end = time() + 20;

    while (waitpid($self->{pid}, POSIX::WNOHANG()) == 0) {

        if (time() > $end) {
            Test::More::diag('shardkv did not stop within 20 s');
            return $self->kill9();
        }

        sleep 0.01;
    }

    my $status = $?;
    delete $running{$self->{pid}};

    return $status;
}


sub END {
    my $status = $?;

    for my $pid (grep { $running{$_} == $$ } keys %running) {
        kill 'KILL', $pid;
        waitpid $pid, 0;
    }

    $? = $status;
}


1;

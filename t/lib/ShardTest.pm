package ShardTest;

# The whole system in a temporary folder, on free ports, for one test:
#
#     my $t = ShardTest->new(shards => 16);
#     $t->start_redis();                      # AOF on, port and unix socket
#     $t->start_nodes(4);                     # n1 .. n4, zones z1 z2 in turn
#     $t->seed();                             # table: shards over the nodes
#     $t->start_nginx();                      # 2 workers, the module
#     $t->start_migrator();
#     is($t->get('/kv/a', 'X-Key' => 'a')->{status}, 404, 'no such key');
#     wait_for { $t->redis()->command('HLEN', $t->key('routers')) } 5, 'router';
#     $t->finish();                           # stops all, reads the logs
#
# SHARD_SAN=1 takes the sanitizer builds, SHARD_BUILD=DIR those of DIR,
# SHARD_KEEP=1 keeps the folder.

use warnings;
use strict;

use Cwd qw/ abs_path /;
use Exporter qw/ import /;
use File::Basename qw/ dirname /;
use File::Path qw/ make_path remove_tree /;
use File::Temp qw/ tempdir /;
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Test::More ();
use Time::HiRes qw/ sleep time /;

use ShardTest::Process;
use ShardTest::Redis;
use ShardTest::Client;
use ShardTest::Load;
use ShardTest::Metrics;
use ShardTest::Nginx;
use ShardTest::Routers;
use ShardTest::Table;

our @EXPORT = qw/ wait_for free_port slurp spew /;

my $top = abs_path(dirname(__FILE__) . '/../..');
my %open;
my %taken;

# free_port() takes of these; whoever runs several worlds at once gives each
# its own

our @ports = (10000, 29999);


# shards (16), keyspace (orders), name (of the folder)

sub new {
    my ($class, %args) = @_;

    my $self = bless {
        keyspace => 'orders', shards => 16, workers => 2,
        process => {}, order => [], allowed => [], %args
    }, $class;

    make_path("$top/build/t");

    my ($name) = ($args{name} || $0) =~ m!([^/]+?)(\.t|\.pl)?$!;

    $self->{dir} = $args{dir} || tempdir("$name.XXXXXX", DIR => "$top/build/t");
    $self->{build} = $ENV{SHARD_BUILD}
                     || ($ENV{SHARD_SAN} ? "$top/build/san" : "$top/build");
    $self->{pid} = $$;
    $open{$self} = $self;

    return $self;
}


sub top { return $top }


# the text of the Redis function library

sub library {
    my $text = `sh $top/src/lua/embed.sh text`;

    die "src/lua/embed.sh failed\n" if $? || $text !~ /^#!lua name=shard\n/;
    return $text;
}


sub dir { return $_[0]->{dir} }
sub key { return "shard:{$_[0]->{keyspace}}:$_[1]" }
sub program { return "$_[0]->{build}/$_[1]" }


# ports below the kernel's own range for outgoing connections, so that a
# restarted server finds its port free

sub free_port {
    for (1 .. 200) {
        my $port = $ports[0] + int(rand($ports[1] - $ports[0] + 1));
        my $sock = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port",
                                         Proto => 'tcp', Listen => 1);
        return $port if $sock && !$taken{$port}++;
    }

    die "no free port between $ports[0] and $ports[1]\n";
}


# polls until the block is true and returns its value; dies at the deadline

sub wait_for (&$$) {
    my ($code, $seconds, $what) = @_;

    my $until = time() + $seconds;
    my $pause = 0.005;

    while (1) {
        my $value = eval { $code->() };
        my $error = $@;

        return $value if $value;

        if (time() > $until) {
            die "not within $seconds s: $what" . ($error ? ": $error" : "\n");
        }

        sleep($pause);
        $pause *= 1.5 if $pause < 0.1;
    }
}


sub slurp {
    my ($path) = @_;

    open(my $f, '<:raw', $path) or die "$path: $!\n";
    local $/;
    my $text = readline($f);
    return defined $text ? $text : '';
}


sub spew {
    my ($path, $text) = @_;

    open(my $f, '>:raw', $path) or die "$path: $!\n";
    print $f $text;
    close($f) or die "$path: $!\n";
    return $path;
}


sub listens {
    my ($addr) = @_;

    return IO::Socket::INET->new(PeerAddr => $addr, Proto => 'tcp',
                                 Timeout => 1);
}


# processes

sub add {
    my ($self, %args) = @_;

    my $name = $args{name};
    my $process = ShardTest::Process->new(log => "$self->{dir}/$name.log",
                                          %args);

    # leaks are looked for, except in nginx, which frees nothing at its end
    $process->{env}{UBSAN_OPTIONS} = 'print_stacktrace=1';
    $process->{env}{ASAN_OPTIONS} ||= 'detect_leaks=1';

    push @{ $self->{order} }, $name if !$self->{process}{$name};
    $self->{process}{$name} = $process;

    return $process->start();
}


sub process {
    my ($self, $name) = @_;

    return $self->{process}{$name} || die "no process \"$name\" here\n";
}


sub start_redis {
    my ($self, @options) = @_;

    my $port = $self->{redis_port} = free_port();
    my $dir = "$self->{dir}/redis";
    my $socket = "$self->{dir}/redis.sock";

    make_path($dir);
    $socket = '' if length $socket > 100;
    $self->{redis_socket} = $socket;

    return $self->add(
        name => 'redis',
        argv => [ 'redis-server', '--bind', '127.0.0.1', '--port', $port,
                  $socket ? ('--unixsocket', $socket) : (),
                  '--dir', $dir, '--save', '', '--appendonly', 'yes',
                  @options ],
        ready => sub {
            eval { ShardTest::Redis->new("127.0.0.1:$port")->command('PING') }
        });
}


# another one, for the data of nodes, as durable as an acknowledged write must
# be; its address is {data}{name}; on the disk {disk}{name}, if there is one

sub start_data_redis {
    my ($self, $name, @options) = @_;

    my $port = free_port();
    my $disk = $self->{disk}{$name};
    my $dir = $disk ? $disk->{dir} : "$self->{dir}/$name";

    make_path($dir);
    $self->{data}{$name} = "127.0.0.1:$port";

    return $self->add(
        name => $name,
        argv => [ $disk ? $disk->inside() : (),
                  'redis-server', '--bind', '127.0.0.1', '--port', $port,
                  '--dir', $dir, '--save', '', '--appendonly', 'yes',
                  '--appendfsync', 'always', @options ],
        ready => sub {
            eval { $self->data_redis($name)->command('PING') }
            || $@ =~ /NOAUTH/
        });
}


sub data_redis {
    my ($self, $name) = @_;

    return ShardTest::Redis->new($self->{data}{$name});
}


sub redis_addr { return "127.0.0.1:$_[0]->{redis_port}" }


sub redis {
    my ($self) = @_;

    return $self->{redis} ||= ShardTest::Redis->new($self->redis_addr());
}


# n1, n2, ... in zones z1 and z2 in turn

sub start_nodes {
    my ($self, $count, %args) = @_;

    return map { $self->start_node("n$_", zone => 'z' . (2 - $_ % 2), %args) }
           1 .. $count;
}


# capacity limits the server (requests/s), record_capacity is what the node's
# record says, options are shardkv's own

sub start_node {
    my ($self, $name, %args) = @_;

    my $port = free_port();
    my $dir = "$self->{dir}/$name";

    make_path($dir);

    $self->{nodes}{$name} = {
        name => $name, addr => "127.0.0.1:$port", zone => $args{zone} || 'z1',
        capacity => $args{record_capacity} || $args{capacity} || 1000,
    };

    return $self->add(
        name => $name,
        argv => [ $self->program('shardkv'), '--listen', "127.0.0.1:$port",
                  $args{store} ? ('--store', $args{store}) : ('--dir', $dir),
                  '--name', $name,
                  $args{capacity} ? ('--capacity', $args{capacity}) : (),
                  @{ $args{options} || [] } ],
        ready => sub { listens("127.0.0.1:$port") });
}


sub node_names { return sort keys %{ $_[0]->{nodes} } }


# HTTP

sub request {
    my ($self, $method, $path, $content, %headers) = @_;

    my $http = $self->{http} ||= HTTP::Tiny->new(timeout => 15);
    my %options = (headers => \%headers);

    $options{content} = $content if defined $content;
    return $http->request($method, $path =~ /^http:/ ? $path
                                                     : $self->url($path),
                          \%options);
}


sub get {
    my ($self, $path, %headers) = @_;
    return $self->request('GET', $path, undef, %headers);
}


sub api {
    my ($self, $path) = @_;

    my $answer = $self->get("/shards/$self->{keyspace}$path");
    die "api $path: $answer->{status} $answer->{content}\n"
        if !$answer->{success};
    return decode_json($answer->{content});
}


# daemons: "conf" is the YAML text; redis and keyspace are put before it

sub start_daemon {
    my ($self, $program, $name, $conf, %args) = @_;

    my $path = "$self->{dir}/$name.yaml";

    spew($path, $conf);
    return $self->add(name => $name,
                      argv => [ $self->program($program), '-c', $path ],
                      %args);
}


# shardctl's decoded JSON; dies when it fails

sub ctl {
    my ($self, @args) = @_;

    my ($status, $out, $err) = $self->try_ctl('--json', @args);
    die "shardctl @args: status $status: $err$out\n" if $status;
    return $out =~ /\S/ ? decode_json($out) : undef;
}


sub try_ctl {
    my ($self, @args) = @_;

    return $self->run($self->program('shardctl'), '--redis',
                      'redis://' . $self->redis_addr(), '-k',
                      $self->{keyspace}, @args);
}


# exit status, stdout, stderr of a command

sub run {
    my ($self, @command) = @_;

    my $err = "$self->{dir}/run.$$.err";
    my $pid = open(my $out, '-|');
    die "cannot fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        $ENV{UBSAN_OPTIONS} = 'print_stacktrace=1';
        open(STDERR, '>', $err);
        { exec(@command) }
        POSIX::_exit(127);
    }

    local $/;
    my $text = readline($out);
    close($out);

    my $status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
    my $errors = slurp($err);

    $self->{run_errors} .= $errors if $errors =~ /Sanitizer|runtime error/;
    return ($status, defined $text ? $text : '', $errors);
}


# the end

# lines of any log that match are no failure

sub allow {
    my ($self, @patterns) = @_;

    push @{ $self->{allowed} }, @patterns;
}


# bad lines of all logs, and processes that ended by themselves

sub problems {
    my ($self) = @_;

    my @bad = map { "$_ ended by itself: " . $self->{process}{$_}->ended() }
              grep { $self->{process}{$_}->crashed() } @{ $self->{order} };

    push @bad, map { "$_ did not end within 10 s of being asked" }
               grep { $self->{process}{$_}{stuck} } @{ $self->{order} };

    for my $log ("$self->{dir}/nginx/error.log", glob "$self->{dir}/*.log") {
        next if !-f $log;
        open(my $f, '<', $log) or next;

        my @lines = grep { /\[alert\]|\[emerg\]|Sanitizer|runtime error
                            |exited on signal/x } readline($f);

        chomp(@lines);
        push @bad, map { "$log: $_" } $self->not_allowed(@lines);
    }

    push @bad, split /\n/, $self->{run_errors} || '';
    return @bad;
}


# a worker whose death was allowed may have had a zone's lock, which nginx tells

sub not_allowed {
    my ($self, @lines) = @_;

    my (@bad, %killed);

    for my $line (@lines) {
        if (grep { $line =~ $_ } @{ $self->{allowed} }) {
            $killed{$1} = 1
                if $line =~ /worker process (\d+) exited on signal 9/;

        } elsif ($line !~ /zone "[^"]+" was locked by (\d+)$/ || !$killed{$1}) {
            push @bad, $line;
        }
    }

    return @bad;
}


sub stop_all {
    my ($self) = @_;

    $_->stop() for map { $self->{process}{$_} } reverse @{ $self->{order} };
}


# as a test: all stopped, nothing bad in the logs

sub finish {
    my ($self, $name) = @_;

    my @crashed = grep { $self->{process}{$_}->crashed() } @{ $self->{order} };

    $self->stop_all();

    my @bad = ((map { "$_ ended by itself: " . $self->{process}{$_}->ended() }
                @crashed), $self->problems());

    Test::More::ok(!@bad, $name || 'logs are clean, nothing crashed');
    Test::More::diag(join "\n", @bad[0 .. ($#bad > 20 ? 20 : $#bad)]) if @bad;
    $self->{finished} = 1;
}


$SIG{$_} = sub { exit 1 } for qw/ INT TERM HUP /;


END {
    my $status = $?;

    for my $self (grep { $_->{pid} == $$ } values %open) {
        $_->kill() for map { $self->{process}{$_} } reverse @{ $self->{order} };

        my $failed = $status
            || !Test::More->builder()->is_passing();

        if ($failed || $ENV{SHARD_KEEP}) {
            print STDERR "# logs are in $self->{dir}\n";

        } elsif (!$self->{keep}) {
            remove_tree($self->{dir});
        }
    }

    $? = $status;
}


1;

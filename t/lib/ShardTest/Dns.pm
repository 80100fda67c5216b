package ShardTest::Dns;

# A name server of a test: UDP, A and AAAA, what it says is changed while it
# runs.
#
#     my $dns = ShardTest::Dns->new($t->dir());
#     $dns->set('db-1.internal' => { ttl => 1, a => [ '127.0.0.1' ] },
#               'gone.internal' => 'nxdomain', 'slow.internal' => 'silent');
#     print $dns->addr(), scalar $dns->asked('db-1.internal');
#
# A name that was not set is NXDOMAIN.

use warnings;
use strict;

use IO::Socket::INET;
use POSIX ();
use Socket qw/ inet_pton AF_INET6 /;


sub new {
    my ($class, $dir) = @_;

    my $sock = IO::Socket::INET->new(LocalAddr => '127.0.0.1:0', Proto => 'udp') or die "dns: $!\n";
    my $self = bless { dir => $dir, port => $sock->sockport(), owner => $$ }, $class;

    $self->set();
    $self->{pid} = fork();
    die "fork: $!\n" if !defined $self->{pid};

    if (!$self->{pid}) {
        $SIG{$_} = 'DEFAULT' for qw/ INT TERM HUP /;
        eval { serve($sock, $dir) };
        POSIX::_exit(0);
    }

    return $self;
}


sub addr { return "127.0.0.1:$_[0]->{port}" }


# whole: names that are not given are gone

sub set {
    my ($self, %names) = @_;

    my $path = "$self->{dir}/dns.zone";
    open(my $f, '>', "$path.tmp") or die "$path: $!\n";

    for my $name (keys %names) {
        my $it = $names{$name};
        print {$f} join(' ', $name, ref $it ? ('ok', $it->{ttl}, join(',', @{ $it->{a} || [] }),
                                               join(',', @{ $it->{aaaa} || [] })) : $it), "\n";
    }

    close($f);
    rename("$path.tmp", $path);
}


# questions about a name, or all

sub asked {
    my ($self, $name) = @_;

    open(my $f, '<', "$self->{dir}/dns.asked") or return ();
    my @all = grep { !defined $name || /^\Q$name\E / } readline($f);
    return @all;
}


sub serve {
    my ($sock, $dir) = @_;

    open(my $log, '>', "$dir/dns.asked") or die;
    $log->autoflush(1);

    while (getppid() != 1) {
        my $from = $sock->recv(my $query, 512);
        next if !defined $from || length $query < 17;

        my ($id, $flags, $count) = unpack('n3', $query);
        my ($at, @labels) = (12);

        while ((my $n = unpack('C', substr($query, $at, 1))) > 0) {
            push @labels, substr($query, $at + 1, $n);
            $at += $n + 1;
        }

        my $name = lc join '.', @labels;
        my $type = unpack('n', substr($query, $at + 1, 2));
        my $question = substr($query, 12, $at + 5 - 12);

        print {$log} "$name $type\n";

        my ($what, $ttl, $a, $aaaa) = find("$dir/dns.zone", $name);
        next if $what eq 'silent';

        my @data = $what ne 'ok' ? ()
                 : $type == 1 ? map { pack('C4', split /\./) } split /,/, $a || ''
                 : $type == 28 ? map { inet_pton(AF_INET6, $_) } split /,/, $aaaa || '' : ();
        my $code = $what eq 'ok' ? 0 : $what eq 'servfail' ? 2 : 3;

        $sock->send(pack('n6', $id, 0x8180 | $code, 1, scalar @data, 0, 0) . $question
                    . join('', map { pack('nnnNn', 0xc00c, $type, 1, $ttl, length) . $_ } @data), 0, $from);
    }
}


sub find {
    my ($path, $name) = @_;

    open(my $f, '<', $path) or return ('nxdomain');

    while (my $line = readline($f)) {
        my ($its, @rest) = split ' ', $line, -1;
        return @rest if lc $its eq $name;
    }

    return ('nxdomain');
}


sub DESTROY {
    my ($self) = @_;

    if ($self->{pid} && $self->{owner} == $$) {
        local ($?, $!);
        kill('KILL', $self->{pid});
        waitpid($self->{pid}, 0);
    }
}


1;

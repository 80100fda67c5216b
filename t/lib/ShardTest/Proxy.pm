package ShardTest::Proxy;

# A TCP proxy that misbehaves when it is told to: one process, and one for each
# connection.
#
#     my $proxy = ShardTest::Proxy->new(file => "$dir/mode", to => $addr);
#     $proxy->mode('500');        # each request is answered so
#     $proxy->mode('slow 300');   # each piece comes 300 ms later
#     $proxy->mode('pass');

use warnings;
use strict;

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw/ sleep /;


# file (its mode), to (host:port); addr() is where it listens

sub new {
    my ($class, %args) = @_;

    my $self = bless { %args }, $class;

    $self->mode('pass');
    $self->{listen} = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1:0', Listen => 128, Proto => 'tcp',
        ReuseAddr => 1) or die "proxy: $!\n";
    $self->{addr} = '127.0.0.1:' . $self->{listen}->sockport();

    my $pid = fork() // die "cannot fork: $!\n";

    if ($pid == 0) {
        POSIX::setpgid(0, 0);
        $SIG{$_} = 'DEFAULT' for qw/ TERM INT HUP /;
        eval { $self->serve() };
        POSIX::_exit(0);
    }

    POSIX::setpgid($pid, $pid);
    close($self->{listen});
    $self->{pid} = $pid;

    return $self;
}


sub addr { return $_[0]->{addr} }


sub mode {
    my ($self, $mode) = @_;

    open(my $f, '>', "$self->{file}.new") or die "$self->{file}: $!\n";
    print $f $mode;
    close($f);
    rename("$self->{file}.new", $self->{file});
}


sub stop {
    my ($self) = @_;

    return if !$self->{pid};

    kill('KILL', -$self->{pid});
    waitpid($self->{pid}, 0);
    $self->{pid} = undef;
}


# in its own process from here on

sub now {
    my ($self) = @_;

    open(my $f, '<', $self->{file}) or return 'pass';
    return readline($f) // 'pass';
}


sub serve {
    my ($self) = @_;

    $SIG{CHLD} = 'IGNORE';
    my $parent = getppid();

    while (getppid() == $parent) {
        next if !IO::Select->new($self->{listen})->can_read(0.5);
        my $client = $self->{listen}->accept() or next;
        my $pid = fork();

        next if !defined $pid || $pid;

        close($self->{listen});
        eval { $self->connection($client) };
        POSIX::_exit(0);
    }
}


sub connection {
    my ($self, $client) = @_;

    my $node = IO::Socket::INET->new(PeerAddr => $self->{to}, Proto => 'tcp',
                                     Timeout => 2);
    my $both = IO::Select->new($client, $node || ());

    return if !$node && $self->now() ne '500';

    while (1) {
        for my $from ($both->can_read(5)) {
            my $n = sysread($from, my $piece, 65536);

            return if !$n;

            my $mode = $self->now();

            if ($mode eq '500') {
                return $from == $client ? $self->refuse($client) : ();
            }

            sleep($1 / 1000) if $mode =~ /^slow (\d+)/;
            put($from == $client ? $node : $client, $piece);
        }
    }
}


sub put {
    my ($to, $piece) = @_;

    while (length $piece) {
        my $n = syswrite($to, $piece) // return;
        substr($piece, 0, $n, '');
    }
}


# what is left of the request is read, so that the answer arrives

sub refuse {
    my ($self, $client) = @_;

    put($client, "HTTP/1.1 500 Internal Server Error\r\n"
        . "Content-Length: 6\r\nConnection: close\r\n\r\nchaos\n");
    shutdown($client, 1);

    while (IO::Select->new($client)->can_read(1)) {
        last if !sysread($client, my $piece, 65536);
    }
}


1;

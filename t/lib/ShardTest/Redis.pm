package ShardTest::Redis;

# A small Redis client (RESP2) over a socket: no process per command.
# Connects when first used and again after a failure.

use warnings;
use strict;

use IO::Socket::INET;
use IO::Socket::UNIX;


# addr: host:port or unix:/path; password

sub new {
    my ($class, $addr, %args) = @_;

    return bless { addr => $addr, timeout => 10, buf => '', %args }, $class;
}


sub connect {
    my ($self) = @_;

    my $addr = $self->{addr};

    $self->{buf} = '';
    $self->{sock} = $addr =~ m!^unix:(.*)!
        ? IO::Socket::UNIX->new(Peer => $1)
        : IO::Socket::INET->new(PeerAddr => $addr, Proto => 'tcp',
                                Timeout => 5);

    die "redis $addr: $!\n" if !$self->{sock};

    $self->command('AUTH', $self->{password}) if defined $self->{password};
}


# the reply: string, number, array reference, or undef; dies on an error reply

sub command {
    my ($self, @args) = @_;

    $self->send_command(@args);
    return $self->reply();
}


# several commands, one round trip: [['GET', 'a'], ['GET', 'b']]

sub pipeline {
    my ($self, @commands) = @_;

    $self->send_command(@$_) for @commands;
    return map { $self->reply() } @commands;
}


sub send_command {
    my ($self, @args) = @_;

    $self->connect() if !$self->{sock};

    my $text = '*' . @args . "\r\n";

    for my $arg (@args) {
        my $bytes = "$arg";
        utf8::encode($bytes) if utf8::is_utf8($bytes);
        $text .= '$' . length($bytes) . "\r\n$bytes\r\n";
    }

    local $SIG{PIPE} = 'IGNORE';

    while (length $text) {
        my $n = syswrite($self->{sock}, $text);
        $self->broken("write: $!") if !$n;
        substr($text, 0, $n, '');
    }
}


sub reply {
    my ($self) = @_;

    my $line = $self->take_line();
    my $type = substr($line, 0, 1, '');

    return $line if $type eq '+' || $type eq ':';

    die "redis: $line\n" if $type eq '-';

    if ($type eq '$') {
        return undef if $line < 0;
        my $value = $self->take($line + 2);
        return substr($value, 0, $line);
    }

    if ($type eq '*') {
        return undef if $line < 0;
        return [ map { $self->reply() } 1 .. $line ];
    }

    $self->broken("bad reply \"$type$line\"");
}


sub take_line {
    my ($self) = @_;

    my $end;

    while (($end = index($self->{buf}, "\r\n")) < 0) {
        $self->fill();
    }

    my $line = substr($self->{buf}, 0, $end + 2, '');
    return substr($line, 0, $end);
}


sub take {
    my ($self, $length) = @_;

    $self->fill() while length $self->{buf} < $length;
    return substr($self->{buf}, 0, $length, '');
}


sub fill {
    my ($self) = @_;

    my $set = '';
    vec($set, fileno($self->{sock}), 1) = 1;

    my $n = select($set, undef, undef, $self->{timeout});
    $self->broken("no answer in $self->{timeout} s") if $n == 0;

    $n = sysread($self->{sock}, $self->{buf}, 65536, length $self->{buf});
    $self->broken($n ? "read: $!" : 'closed the connection') if !$n;
}


sub broken {
    my ($self, $why) = @_;

    $self->close();
    die "redis $self->{addr}: $why\n";
}


sub close {
    my ($self) = @_;

    CORE::close($self->{sock}) if $self->{sock};
    $self->{sock} = undef;
}


# HGETALL as a hash reference

sub hash {
    my ($self, $key) = @_;

    return { @{ $self->command('HGETALL', $key) } };
}


# entries of a stream after "id" as [id, { field => value }]

sub stream {
    my ($self, $key, $after, $count) = @_;

    my $got = $self->command('XRANGE', $key,
                             defined $after ? "($after" : '-', '+',
                             'COUNT', $count || 10000);

    return map { [ $_->[0], { @{ $_->[1] } } ] } @$got;
}


1;

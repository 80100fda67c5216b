package ShardTest;

# Requests that are not waited for: as text on a connection of their own, or
# by curl.

use warnings;
use strict;

use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw/ time /;


# text to the router, or to another port

sub connect_to {
    my ($self, $text, $port) = @_;

    $port ||= $self->{nginx_port};

    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
        or die "connect: $!\n";

    $s->autoflush(1);
    print $s $text;
    return $s;
}


# "key", "body", "method" (GET, with a body POST), "headers" as text

sub send_request {
    my ($self, $uri, %args) = @_;

    my $key = defined $args{key} ? $args{key} : 'a';
    my $body = defined $args{body} ? $args{body} : '';
    my $method = $args{method} || (defined $args{body} ? 'POST' : 'GET');
    my $headers = $args{headers} || '';

    $headers .= 'Content-Length: ' . length($body) . "\r\n"
        if defined $args{body};

    return $self->connect_to("$method $uri HTTP/1.1\r\nHost: x\r\n"
                             . "X-Key: $key\r\n${headers}Connection: close"
                             . "\r\n\r\n$body");
}


# status, and all that came until the connection ended or the time was over

sub answer {
    my ($self, $s, $seconds) = @_;

    my $text = '';
    my $until = time() + ($seconds || 10);

    while (time() <= $until) {
        my $bits = '';
        vec($bits, fileno($s), 1) = 1;
        next if !select($bits, undef, undef, 0.2);
        last if !sysread($s, $text, 65536, length $text);
    }

    return $text =~ m!^HTTP/1.1 (\d+)! ? ($1, $text) : (0, $text);
}


# { status => how many }

sub statuses {
    my ($self, $seconds, @sockets) = @_;

    my %got;
    $got{($self->answer($_, $seconds))[0]}++ for @sockets;
    return \%got;
}


# by curl: what result() takes

sub later {
    my ($self, $path, @args) = @_;

    my $file = "$self->{dir}/later." . ++$self->{later};
    my $pid = fork();
    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        open(STDOUT, '>', $file);
        open(STDERR, '>', '/dev/null');
        { exec('curl', '-s', '-m', 20, @args,
               $path =~ /^http/ ? $path : $self->url($path)) }
        POSIX::_exit(127);
    }

    return [ $pid, $file ];
}


sub result {
    my ($self, $job) = @_;

    waitpid $job->[0], 0;
    return slurp($job->[1]);
}


1;

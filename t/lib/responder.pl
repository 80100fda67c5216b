#!/usr/bin/perl

# responder.pl PROTOCOL PORT NAME DIR: a backend for tests that speaks fastcgi,
# uwsgi, scgi or websocket and tells what it was sent.  A process for each
# connection.
#
# Paths: /refuse-X is refused with 421 while DIR has no file X, which is then
# made; /slow takes half a second; /quit ends the connection without a word.

use warnings;
use strict;

use Digest::MD5 qw/ md5_hex /;
use Digest::SHA qw/ sha1_base64 /;
use IO::Socket::INET;

my ($protocol, $port, $name, $dir) = @ARGV;
my %serve = (fastcgi => \&fastcgi, uwsgi => \&uwsgi, scgi => \&scgi,
             websocket => \&websocket);

my $listen = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port",
                                   Proto => 'tcp', Listen => 511,
                                   ReuseAddr => 1)
    or die "listen: $!\n";

$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';

while (1) {
    my $s = $listen->accept() or next;
    my $pid = fork();

    next if $pid;

    close $listen;
    binmode $s;
    eval { $serve{$protocol}->($s) };
    print STDERR "$name: $@" if $@ && $@ !~ /^end of input/;
    close $s;
    exit 0;
}


sub take {
    my ($s, $length) = @_;

    my $text = '';

    while (length $text < $length) {
        sysread($s, $text, $length - length $text, length $text)
            or die "end of input\n";
    }

    return $text;
}


sub give {
    my ($s, $text) = @_;

    while (length $text) {
        my $n = syswrite($s, $text) or die "end of input\n";
        substr($text, 0, $n, '');
    }
}


# status and text for a request

sub answer {
    my ($param, $body, $serial) = @_;

    my $uri = $param->{REQUEST_URI} || '';

    exit 0 if $uri =~ m!^\S*/quit!;
    select undef, undef, undef, 0.5 if $uri =~ m!/slow!;

    if ($uri =~ m!/refuse-(\w+)! && !-f "$dir/$1") {
        open(my $f, '>', "$dir/$1") or die "$dir/$1: $!\n";
        return ('421 Misdirected Request', "not me\n");
    }

    return ('200 OK', join(' ', $name, map({ defined $_ && length $_ ? $_ : '-' }
                @$param{qw/ SHARD_ID SHARD_EPOCH SHARD_ROLE REQUEST_METHOD /}),
                length $body, md5_hex($body), "$$:$serial") . "\n");
}


sub cgi {
    my ($s, $param, $body) = @_;

    my ($status, $text) = answer($param, $body, 1);

    return "Status: $status\r\nContent-Type: text/plain\r\n"
           . 'Content-Length: ' . length($text) . "\r\n\r\n"
           . ($param->{REQUEST_METHOD} eq 'HEAD' ? '' : $text);
}


# records: version, type, request id, content length, padding

sub fastcgi {
    my ($s) = @_;

    my $serial = 0;

    while (1) {
        my ($params, $body, $keep, $id) = ('', '', 0, 0);

        while (1) {
            my ($version, $type, $request, $length, $padding)
                = unpack 'CCnnCx', take($s, 8);
            my $content = take($s, $length);

            take($s, $padding);
            die "version $version\n" if $version != 1;

            if ($type == 1) {                            # begin
                (my $role, $keep) = unpack 'nC', $content;
                die "role $role\n" if $role != 1;
                $id = $request;

            } elsif ($type == 4) {                       # params
                $params .= $content;

            } elsif ($type == 5) {                       # stdin
                last if $length == 0;
                $body .= $content;

            } else {
                die "record type $type\n";
            }
        }

        my %param;

        while (length $params) {
            my @size = map {
                my $n = unpack 'C', $params;

                if ($n & 0x80) {
                    $n = unpack('N', $params) & 0x7fffffff;
                    substr($params, 0, 4, '');
                } else {
                    substr($params, 0, 1, '');
                }

                $n;
            } 1 .. 2;

            my $key = substr($params, 0, $size[0], '');
            $param{$key} = substr($params, 0, $size[1], '');
        }

        my ($status, $text) = answer(\%param, $body, ++$serial);

        $text = "Status: $status\r\nContent-Type: text/plain\r\n\r\n"
                . ($param{REQUEST_METHOD} eq 'HEAD' ? '' : $text);

        give($s, pack('CCnnCx', 1, 6, $id, length $text, 0) . $text
                 . pack('CCnnCx', 1, 6, $id, 0, 0)
                 . pack('CCnnCx NCx3', 1, 3, $id, 8, 0, 0, 0));
        last if !($keep & 1);
    }
}


# modifier1, size (little endian), modifier2; then keys and values

sub uwsgi {
    my ($s) = @_;

    my ($modifier, $size) = unpack 'CvC', take($s, 4);
    my %param = unpack '(v/a)*', take($s, $size);

    die "modifier $modifier\n" if $modifier != 0;
    give($s, cgi($s, \%param, take($s, $param{CONTENT_LENGTH} || 0)));
}


# a netstring of keys and values, each with a zero behind it

sub scgi {
    my ($s) = @_;

    my $size = '';

    while ((my $c = take($s, 1)) ne ':') {
        $size .= $c;
    }

    my $text = take($s, $size);
    die "no comma\n" if take($s, 1) ne ',';

    my %param = split /\0/, $text, -1;
    die "no SCGI\n" if $param{SCGI} ne '1' || $text !~ /^CONTENT_LENGTH\0/;
    give($s, cgi($s, \%param, take($s, $param{CONTENT_LENGTH} || 0)));
}


# echoes messages with its name before them, pings as pongs

sub websocket {
    my ($s) = @_;

    my $head = '';

    $head .= take($s, 1) while $head !~ /\r\n\r\n$/;

    my ($key) = $head =~ /^Sec-WebSocket-Key: (\S+)/mi;

    if ($head !~ /^Upgrade: websocket/mi || !defined $key) {
        give($s, "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n"
                 . "Connection: close\r\n\r\n");
        return;
    }

    my ($id) = $head =~ /^X-Shard-Id: (\S+)/mi;
    my $accept = sha1_base64($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11');

    give($s, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
             . "Connection: Upgrade\r\nSec-WebSocket-Accept: $accept=\r\n\r\n");

    while (1) {
        my ($first, $size) = unpack 'CC', take($s, 2);

        die "frame is not masked\n" if !($size & 0x80);
        $size &= 0x7f;
        $size = unpack 'n', take($s, 2) if $size == 126;

        my $mask = take($s, 4);
        my $text = take($s, $size);

        $text ^= substr($mask x (length($text) / 4 + 1), 0, length $text);

        my $type = $first & 0x0f;

        $text = "$name:$id:$text" if $type == 1;
        give($s, pack('CC', 0x80 | ($type == 9 ? 10 : $type), length $text)
                 . $text);
        return if $type == 8;
    }
}

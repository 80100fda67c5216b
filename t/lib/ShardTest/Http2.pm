package ShardTest::Http2;

# Frames of HTTP/2 without TLS, for tests that need more of it than curl has:
# several streams of one connection, streams that are reset, trailers.

use warnings;
use strict;

use Exporter qw/ import /;
use IO::Socket::INET;

our @EXPORT = qw/ h2_connect h2_frame h2_headers h2_read /;


sub h2_connect {
    my ($port) = @_;

    my $s = IO::Socket::INET->new("127.0.0.1:$port") or die "connect: $!\n";

    print $s "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", h2_frame(4, 0, 0, '');
    return $s;
}


sub h2_frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
           . pack('CCN', $type, $flags, $stream) . $payload;
}


# names and values as HPACK's literals, each shorter than 127 bytes

sub h2_headers {
    my (@list) = @_;

    my $block = '';
    $block .= pack 'x C/a C/a', splice @list, 0, 2 while @list;

    return $block;
}


# type, flags, stream, payload; nothing at the end

sub h2_read {
    my ($s) = @_;

    read($s, my $head, 9) == 9 or return;

    my ($high, $low, $type, $flags, $stream) = unpack 'CnCCN', $head;
    my $length = $high * 65536 + $low;
    my $payload = '';

    read($s, $payload, $length) == $length or return if $length;
    return ($type, $flags, $stream, $payload);
}


1;

#!/usr/bin/perl

# The module: requests on odd ways, redirected, copied, aborted, among nodes
# that close or are mute.

use warnings;
use strict;

use Test::More;
use IO::Socket::INET;

use ShardTest;

my $t = ShardTest->new(shards => 4);

my %port = map { $_ => free_port() } qw/ n1 n2 mute /;
my $h2 = free_port();
my $mute = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port{mute}", Listen => 128);

$t->{nodes}{$_} = { name => $_, addr => "127.0.0.1:$port{$_}", capacity => 100,
                    zone => 'z1' } for keys %port;

my $backends = join '', map { <<"CONF" } qw/ n1 n2 /;
server {
    listen 127.0.0.1:$port{$_};
    location / { return 200 "$_ \$request_uri \$content_length"; }
    location /close { return 444; }
    location /accel { add_header X-Accel-Redirect /inside; return 200 "accel"; }
    location /slow { limit_rate 2000; return 200 "@{[ 'x' x 3500 ]}"; }
}
CONF

$backends .= <<"CONF";
upstream others {
    shard orders key=\$arg_k;
    keepalive 4;
}
server {
    listen 127.0.0.1:$h2 http2;
    location / { proxy_pass http://orders; proxy_http_version 1.1; proxy_set_header Connection ""; }
}
CONF

my $ways = <<'CONF';
location /ep-named   { error_page 502 504 = @static; proxy_read_timeout 200ms; proxy_pass http://orders; }
location /ep-again   { error_page 502 504 = /fine; proxy_read_timeout 200ms; proxy_pass http://orders; }
location /ep-others  { error_page 502 504 = @others; proxy_read_timeout 200ms; proxy_pass http://orders; }
location /ep-slow    { error_page 502 504 = @slow; proxy_read_timeout 200ms; proxy_pass http://orders; }
location /try-named  { try_files /none @static; proxy_pass http://orders; }
location /try-code   { try_files /none =404; proxy_pass http://orders; }
location /try-others { try_files /none @others; proxy_pass http://orders; }
location /accel      { proxy_pass http://orders; }
location /inside     { internal; return 200 "inside"; }
location /mirrored   { mirror /copy; proxy_pass http://orders; }
location /copy       { internal; proxy_pass http://others; }
location /unbuffered { proxy_request_buffering off; proxy_http_version 1.1; proxy_pass http://orders; }
location /named-by   { set $up orders; proxy_pass http://$up; }
location = /fine      { proxy_read_timeout 200ms; proxy_pass http://orders; }
location @static     { return 200 "static"; }
location @others     { rewrite ^ /fine break; proxy_pass http://others; }
location @slow       { limit_rate 1000; return 200 "SLOW"; }
CONF

my $slow_text = 'x' x 2500;
$ways =~ s/SLOW/$slow_text/;

$t->start_redis();
$t->seed(nodes => [ 'n1', 'n2' ], silent => 1);
$t->start_nginx(http => $backends, server => $ways);
wait_for { $t->get('/', 'X-Key' => 'a')->{status} == 200 } 5, 'a table';

my ($shard) = $t->get('/', 'X-Key' => 'a')->{headers}{'x-shard-id'};
my ($silent) = grep { $_ != $shard } 0 .. 3;
my ($quiet_key) = grep { $t->get('/', 'X-Key' => $_)->{headers}{'x-shard-id'} == $silent } 'a' .. 'z';
$t->update_shard($silent, primary => 'mute', epoch => 2);

sub way {
    my ($uri, $k) = @_;

    my $answer = $t->get("$uri?k=zz", 'X-Key' => $k || 'a');
    return "$answer->{status} " . substr($answer->{content}, 0, 8);
}

my ($zz) = $t->get('/', 'X-Key' => 'zz')->{headers}{'x-shard-id'};
die 'the mute node has it' if $zz == $silent;

# "close" comes as the path behind, by way of rewriting nothing: /close... is
# answered with a reset by both nodes
for my $case ([ '/ep-named', qr/^200 static/ ], [ '/ep-again', qr/^504 / ],
              [ '/ep-others', qr/^200 n[12] / ])
{
    like(way($case->[0], $quiet_key), $case->[1], "$case->[0]: a mute node, then error_page");
}

like(way('/try-named'), qr/^200 static/, 'try_files to a named location');
like(way('/try-code'), qr/^404/, 'try_files to a code');
like(way('/try-others'), qr/^200 n[12] /, 'try_files to another upstream');
like(way('/accel'), qr/^200 inside/, 'X-Accel-Redirect');
like(way('/mirrored'), qr/^200 n[12] /, 'a mirror');
like(way('/named-by'), qr/^200 n[12] /, 'an upstream named by a variable');
like(way('/close'), qr/^502/, 'a node that closes');
is($t->request('POST', '/unbuffered', 'x' x 100000, 'X-Key' => 'a')->{status}, 200, 'an unbuffered body');

my $s = $t->send_request('/ep-slow', key => $quiet_key);
wait_for { $t->api("/shards/$silent")->{inflight} } 2, 'in flight';
wait_for { !$t->api("/shards/$silent")->{inflight} } 1.5, 'not while error_page is being sent';
is(($t->answer($s, 6))[0], 200, 'a slow error_page is not in flight');

my @abort = map { $t->connect_to("GET /$_ HTTP/1.1\r\nHost: x\r\nX-Key: "
                                 . ($_ eq 'slow' ? 'a' : $quiet_key) . "\r\n\r\n") }
            qw/ slow slow mute mute mute /;
wait_for { $t->inflight() >= 5 } 2, 'in flight';
close($_) for @abort;
ok(eval { wait_for { $t->inflight() == 0 } 3, 'it' }, 'nothing leaks, aborted ones included')
    or diag explain($t->api('/shards'));
is_deeply([ map { $_->{inflight} } @{ $t->api('/nodes')->{nodes} } ], [ 0, 0, 0 ], 'at nodes');

$t->update_shard($shard, phase => 'held');
ok(eval { wait_for { $t->barrier($shard)->{drained} } 3, 'it' }, 'a barrier drains after all this');

SKIP: {
    my ($status, $out) = $t->run('curl', '--version');
    skip 'no curl with HTTP/2', 3 if $status || $out !~ /HTTP2/;

    spew($t->dir() . '/body', 'y' x 300000);

    my @jobs = map {
        $t->later("http://127.0.0.1:$h2/h2-$_", '--http2-prior-knowledge', '-H', 'X-Key: a',
                  '-w', ' %{http_code}', $_ % 2 ? ('--data-binary', '@' . $t->dir() . '/body') : ())
    } 1 .. 8;

    ok(eval { wait_for { $t->api('')->{waiting} == 8 } 5, 'it' }, 'HTTP/2: parked');
    kill 'KILL', map { $_->[0] } splice(@jobs, 0, 3);
    ok(eval { wait_for { $t->api('')->{waiting} == 5 } 3, 'it' }, 'HTTP/2: those that left do not wait');
    $t->update_shard($shard, phase => 'steady');
    is(join(' ', map { $t->result($_) =~ / (\d+)$/ } @jobs), '200 200 200 200 200',
       'HTTP/2: released');
}

$t->update_shard($shard, phase => 'steady');
ok(eval { wait_for { $t->inflight() == 0 } 3, 'it' }, 'and none is in flight');
$t->finish('nothing bad in the logs');
done_testing();

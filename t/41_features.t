#!/usr/bin/perl

# The module among nginx's other features: caches, subrequests, redirects,
# request bodies of all sorts, variables, clients that leave.  After each,
# nothing may be in flight.

use warnings;
use strict;

use Test::More;

use ShardTest;

$SIG{PIPE} = 'IGNORE';

my $t = ShardTest->new(shards => 1);
my $dir = $t->dir();
my %port = map { $_ => free_port() } qw/ n1 n2 n3 /;

$t->{nodes} = { map { $_ => { name => $_, addr => "127.0.0.1:$port{$_}", capacity => 100,
                              zone => 'z1' } } keys %port };
$t->start_redis();
$t->seed(nodes => [ 'n1' ], silent => 1, record => { standbys => [ 'n3' ] });

my $http = <<"CONF" . join '', map { <<"CONF" } sort keys %port;
proxy_cache_path $dir/cache keys_zone=answers:1m;
log_format hits '\$uri \$upstream_cache_status';
client_body_buffer_size 8k;
client_max_body_size 20m;
upstream bound  { shard orders key=\$http_x_key; }
upstream others { server 127.0.0.1:$port{n3}; }
CONF
server {
    listen 127.0.0.1:$port{$_};

    location / {
        add_header X-From \$remote_addr;
        add_header X-Length \$content_length;
        return 200 "$_ \$request_method \$uri \$connection\\n";
    }

    location /cached/ {
        add_header Cache-Control max-age=1;
        return 200 "$_ \$connection:\$connection_requests\\n";
    }

    location /page  { default_type text/html; return 200 '[<!--# include virtual="/part/a" -->][<!--# include virtual="/part/b" wait="yes" -->][<!--# include virtual="/cached/part" -->]'; }
    location /part/ { return 200 "$_ part"; }
    location /auth  { if (\$http_x_user = bob) { return 204; } return 403; }
    location /file  { add_header X-Accel-Redirect /inside/x; return 200; }
    location /at    { add_header X-Accel-Redirect \@named; return 200; }
    location /gone  { return 404 "$_ has it not\\n"; }
    location /slow  { limit_rate 2000; return 200 "@{[ 'x' x 2500 ]}"; }
    location /put   { proxy_pass http://127.0.0.1:$port{$_}/done; }
    location /big   { root $dir; }
}
CONF

mkdir "$dir/big";
spew("$dir/big/file", 'b' x 5_000_000);

my $server = <<'CONF';
proxy_http_version 1.1;
proxy_set_header   Connection    "";
add_header         X-Shard-Node  $shard_node always;
add_header         X-Cache       $upstream_cache_status always;

location /cached/ {
    proxy_pass                    http://orders;
    proxy_cache                   answers;
    proxy_cache_key               $uri;
    proxy_cache_use_stale         updating error timeout;
    proxy_cache_background_update on;
    proxy_cache_lock              on;
}

location /page   { ssi on; proxy_pass http://orders; }
location /file   { proxy_pass http://orders; }
location /at     { proxy_pass http://orders; }
location /inside { internal; proxy_pass http://orders; }
location @named  { proxy_ignore_headers X-Accel-Redirect; proxy_pass http://orders; }
location /gone   { proxy_pass http://orders; proxy_intercept_errors on; error_page 404 = /instead; }
location /gone2  { proxy_pass http://orders/gone; proxy_intercept_errors on; error_page 404 /page404; }
location /page404 { return 200 "none\n"; }
location /tried  { try_files /nothing @tried; }
location @tried  { proxy_pass http://orders; }
location /tried2 { try_files /nothing =410; proxy_pass http://orders; }
location /auth   { internal; proxy_pass http://orders; proxy_pass_request_body off; proxy_set_header Content-Length ""; }

location /guarded { auth_request /auth; proxy_pass http://orders; }
location /double  { mirror /copy; proxy_pass http://orders; }
location /copy    { internal; proxy_pass http://orders/put; }
location /double2 { mirror /copy; proxy_request_buffering off; proxy_pass http://orders/put; }

location /limited {
    limit_except GET { deny 10.0.0.0/8; proxy_pass http://others; }
    proxy_pass http://orders;
}

location /limited2 { limit_except GET { deny all; } proxy_pass http://orders; }
location /limited3 { limit_except GET { allow all; } proxy_pass http://orders; }

location /named/  { set $up orders; proxy_pass http://$up; }
location /from    { proxy_bind 127.0.0.9; proxy_pass http://bound; }
location /put     { proxy_pass http://orders; }
location /slow    { proxy_pass http://orders; }
location /unbuffered { proxy_buffering off; proxy_pass http://orders/slow; }
location /big     { proxy_pass http://orders; proxy_max_temp_file_size 8m; proxy_buffers 4 4k; }
location /sliced  {
    rewrite          ^/sliced /big/file break;
    slice            1m;
    proxy_cache      answers;
    proxy_cache_key  $uri$slice_range;
    proxy_cache_valid 206 1m;
    proxy_set_header Range $slice_range;
    proxy_pass       http://orders;
}
location /rewritten { rewrite ^ /elsewhere last; proxy_pass http://orders; }
location /sub     { proxy_pass http://orders; sub_filter n1 N1; sub_filter_types *; }
CONF

$t->start_nginx(http => $http, server => $server);
wait_for { $t->get('/', 'X-Key' => 'a')->{status} == 200 } 5, 'a table';


sub text {
    my ($path, $method, $body, %headers) = @_;

    my $got = $t->request($method || 'GET', $path, $body, 'X-Key' => 'a', %headers);
    return "$got->{status} $got->{content}";
}

sub idle {
    my ($name) = @_;

    ok(eval { wait_for { $t->idle() } 10, 'idle' }, "$name: nothing in flight");
}

sub rest {
    my ($s) = @_;

    local $SIG{ALRM} = sub { die "no answer\n" };
    alarm 15;
    my $text = join '', readline($s);
    alarm 0;
    return $text;
}

# a request that is not waited for, and its answer

sub later {
    my ($path, $method, $body) = @_;

    return $t->send_request($path, method => $method, body => $body);
}

# held by the shard until "count" wait, then released: what the block began

sub through_a_hold {
    my ($count, $code) = @_;

    my $record = $t->shard_record(0);

    $t->hold_shard(0, 'n2');
    my @jobs = $code->();
    wait_for { $t->api('')->{waiting} == $count } 10, "$count waiting";
    $t->release_shard(0);

    return map { rest($_) } @jobs;
}


# a cache in front

is(join(' ', map { $t->get('/cached/a', 'X-Key' => 'a')->{headers}{'x-cache'} } 1 .. 3),
   'MISS HIT HIT', 'a cache');
idle('answers of a cache');

my ($hit) = through_a_hold(1, sub { later('/cached/a') });
like($hit, qr/^HTTP\/1.1 200 /, 'a cached answer waits for a hold as well');

ok(eval { wait_for { $t->get('/cached/a', 'X-Key' => 'a')->{headers}{'x-cache'} eq 'STALE' } 5,
              'stale' }, 'updated in the background');
ok(eval { wait_for { $t->get('/cached/a', 'X-Key' => 'a')->{headers}{'x-cache'} eq 'HIT' } 5,
              'hit' }, 'by a request that passed no gate');

my @many = through_a_hold(20, sub { map { later('/cached/b') } 1 .. 20 });
is(scalar(grep { /^HTTP\/1.1 200 / } @many), 20, 'twenty at once, by the lock of the cache');
idle('cache');


# subrequests

my ($conn, $req) = (qr/n1 \d+:\d+\n/, 'GET');
like(text('/page'), qr/^200 \[n1 part\]\[n1 part\]\[$conn\]$/, 'server-side includes');
like(text('/page'), qr/^200 \[n1 part\]\[n1 part\]\[$conn\]$/, 'one of them cached');
my ($page) = through_a_hold(1, sub { later('/page') });
like($page, qr/n1 part.*n1 part.*n1 \d/s, 'a page is held once');
idle('ssi');

like(text('/guarded', 'POST', 'x' x 20000, 'X-User' => 'bob'), qr/^200 n1 POST/, 'auth_request');
like(text('/guarded', 'POST', 'x' x 20000), qr/^403/, 'and what it refuses');
my ($guarded) = through_a_hold(1, sub { later('/guarded') });
like($guarded, qr/^HTTP\/1.1 403/, 'its subrequest waits for a hold');
idle('auth_request');

like(text('/double', 'POST', 'x' x 50000), qr/^200 n1 POST/, 'mirror');
like(text('/double2', 'POST', 'x' x 50000), qr/^200 n1 POST \/done/, 'of an unbuffered body');
my ($double) = through_a_hold(1, sub { later('/double', 'POST', 'x' x 50000) });
like($double, qr/^HTTP\/1.1 200 /, 'through a hold');
idle('mirror');


# redirects inside nginx

like(text('/file'), qr/^200 n1 GET \/inside\/x/, 'X-Accel-Redirect');
is($t->get('/at', 'X-Key' => 'a')->{status}, 200, 'to a named location');
like(text('/gone'), qr/^200 n1 GET \/instead/, 'error_page through the shard');
like(text('/gone2'), qr/^404 none/, 'and to a page of its own');
like(text('/tried'), qr/^200 n1 GET \/tried/, 'try_files');
like(text('/tried2'), qr/^410/, 'try_files beside proxy_pass');
like(text('/rewritten'), qr/^200 n1 GET \/elsewhere/, 'rewrite');
like(text('/sub'), qr/^200 N1 GET/, 'sub_filter');
my @redirected = through_a_hold(4, sub { map { later($_) } qw! /file /gone /tried /rewritten ! });
is(scalar(grep { /^HTTP\/1.1 200 / } @redirected), 4, 'through a hold');
idle('redirects');

like(text('/limited'), qr/^200 n1 GET \/limited/, 'limit_except: the location');
like(text('/limited', 'POST', 'x'), qr/^200 n3 POST/, 'a pass of its own');
like(text('/limited2', 'POST', 'x'), qr/^403/, 'refused');
my ($excepted) = through_a_hold(1, sub { later('/limited3', 'PUT', 'x' x 20000) });
like($excepted, qr/^HTTP\/1.1 200 .*n1 PUT/s, 'what is inherited waits for a hold');
idle('limit_except');


# variables, and where connections come from

like(text('/named/x'), qr/^200 n1 GET/, 'an upstream named by a variable');
is($t->get('/from', 'X-Key' => 'a')->{headers}{'x-from'}, '127.0.0.9', 'proxy_bind');
$t->hold_shard(0, 'n2');
like(text('/named/x'), qr/^502/, 'by a variable: does not wait');
$t->release_shard(0);
like($t->error_log(), qr/shard 0 is held .* an upstream named by variables\b.* cannot wait/, 'and says why');
idle('variables');


# bodies

is($t->request('HEAD', '/put', undef, 'X-Key' => 'a')->{status}, 200, 'HEAD');

my $chunked = $t->connect_to("POST /put HTTP/1.1\r\nHost: x\r\nX-Key: a\r\nConnection: close\r\n"
                              . "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
{
    local $/ = "\r\n\r\n";
    like(readline($chunked), qr/^HTTP\/1.1 100 /, '100 Continue');
}
print $chunked "5\r\nhello\r\n0\r\n\r\n";
like(rest($chunked), qr/^HTTP\/1.1 200 .*X-Length: 5\r/s, 'a chunked body');

$t->hold_shard(0, 'n2');
$chunked = $t->connect_to("POST /put HTTP/1.1\r\nHost: x\r\nX-Key: a\r\nConnection: close\r\n"
                           . "Content-Length: 300000\r\nExpect: 100-continue\r\n\r\n");
{
    local $/ = "\r\n\r\n";
    like(readline($chunked), qr/^HTTP\/1.1 100 /, '100 Continue in a hold');
}
print $chunked 'x' x 300000;
wait_for { $t->api('')->{waiting} == 1 } 5, 'it waits with its body';
$t->release_shard(0);
like(rest($chunked), qr/^HTTP\/1.1 200 .*X-Length: 300000\r/s, 'and is sent');

like(rest(later('/put', 'PUT', 'x' x 5_000_000)), qr/X-Length: 5000000\r/, 'a body in a file');
is(length($t->get('/big/file', 'X-Key' => 'a')->{content}), 5_000_000, 'an answer in a file');
is(length($t->get('/sliced', 'X-Key' => 'a')->{content}), 5_000_000, "in slices, $_")
    for 'asked for', 'cached';
idle('bodies');


# clients that leave

for my $path (qw! /slow /unbuffered !) {
    my $s = later($path);
    wait_for { $t->api('/shards/0')->{inflight} == 1 } 5, 'in flight';
    close $s;
    idle("left $path");
}

my $s = $t->connect_to("GET /big/file HTTP/1.1\r\nHost: x\r\nX-Key: a\r\n\r\n");
read($s, my $some, 1000);
close $s;
idle('left a large answer');

$s = $t->connect_to("PUT /put HTTP/1.1\r\nHost: x\r\nX-Key: a\r\nContent-Length: 100000\r\n\r\nxxx");
close $s;
idle('left its own body');

$s = $t->connect_to(join '', map { "GET /p$_ HTTP/1.1\r\nHost: x\r\nX-Key: a\r\n"
                                    . ($_ == 20 ? "Connection: close\r\n" : '') . "\r\n" } 1 .. 20);
is(scalar(() = rest($s) =~ /^n1 GET \/p\d+/mg), 20, 'requests in a pipeline');

$t->hold_shard(0, 'n2');
my @leaving = map { later($_) } qw! /page /guarded /cached/new /double /slow !;
wait_for { $t->api('')->{waiting} == 5 } 10, 'five waiting';
close $_ for @leaving;
ok(eval { wait_for { !$t->api('')->{waiting} } 5, 'none' }, 'five left while they waited');
$t->release_shard(0);
idle('left a hold');

$t->finish();
done_testing();

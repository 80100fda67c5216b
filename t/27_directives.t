#!/usr/bin/perl

# Mistakes in nginx.conf: refused at start, with the place and a way out.

use warnings;
use strict;

use Test::More;

use ShardTest;

my $t = ShardTest->new();
my $dir = $t->dir();

mkdir "$dir/nginx";
spew("$dir/pw", "secret\n");
spew("$dir/empty", "\n");


# nginx -t with these texts: [status, what it says]

sub check {
    my ($http, $upstream, $server) = @_;

    $server = '' if !defined $server;

    spew("$dir/nginx/nginx.conf", <<"CONF");
daemon off;
pid $dir/nginx/nginx.pid;
error_log stderr;
load_module $t->{build}/ngx_http_shard_module.so;
events { }
http {
    access_log off;
    client_body_temp_path $dir/b;
    proxy_temp_path $dir/p;
    fastcgi_temp_path $dir/f;
    uwsgi_temp_path $dir/u;
    scgi_temp_path $dir/s;
    $http
    upstream orders { $upstream }
    server { listen 127.0.0.1:1; location / { proxy_pass http://orders; } $server }
}
CONF

    my ($status, $out, $err) = do {
        local $ENV{LD_PRELOAD} = $ENV{SHARD_SAN} ? ShardTest::sanitizer_libraries() : '';
        local $ENV{ASAN_OPTIONS} = 'detect_leaks=0';
        $t->run('/usr/sbin/nginx', '-t', '-p', "$dir/nginx", '-c', "$dir/nginx/nginx.conf");
    };

    return ($status, "$out$err");
}


sub good {
    my ($name, @texts) = @_;

    my ($status, $text) = check(@texts);
    is($status, 0, "$name: good") or diag $text;
}

sub bad {
    my ($name, $expected, @texts) = @_;

    my ($status, $text) = check(@texts);
    is($status, 1, "$name: refused");
    like($text, $expected, "$name: says so");
    like($text, qr/nginx\.conf:\d+/, "$name: and where")
        if $text !~ /without "shard_redis|unknown "no_such"/;
}

my $redis = 'shard_redis 127.0.0.1:6379;';
my $table = "$redis shard_table orders 4m;";
my $shard = 'shard orders key=$http_x_key;';

good('the least', $table, $shard);
good('everything',
     "shard_redis unix:/tmp/r.sock password_file=$dir/pw user=router db=2 timeout=500ms;"
     . " shard_router edge-1 zone=z1 interval=250ms; shard_table orders 4m state=$dir/state;",
     "$shard shard_hold max=10 bytes=1m timeout=1s deadline=\$http_grpc_timeout; shard_mirror max=0 timeout=500ms; keepalive 8;",
     'location /s/ { shard_api; } location = /m { shard_metrics; }');
good('reads', $table, 'shard orders key=$http_x_key from=$http_x_zone miss=204 '
                      . 'strong_reads=wait;');
good('sentinels', "shard_redis 127.0.0.1 127.0.0.2:26380 sentinel=orders-master"
     . " password_file=$dir/pw sentinel_password_file=$dir/pw db=1; shard_table orders 4m;", $shard);
good('health', $table, "$shard shard_health uri=/health?a=1 interval=500ms fails=2 passes=1"
     . " timeout=2s status=200-299,404,500-599 slow_start=30s passive=off;");
good('health by requests', $table, "$shard shard_health;");
good('the same health twice', "$table upstream others { $shard shard_health fails=3; }",
     "$shard shard_health interval=1s;");
good('client=', $table, 'shard orders key=$http_x_key client=$http_x_app;');

bad('parameter of shard_redis', qr/did you mean "timeout="/,
    'shard_redis 127.0.0.1:6379 timout=1s;', 'server 127.0.0.1:1;');
bad('value of shard_redis', qr/invalid value of parameter "db=x"/,
    'shard_redis 127.0.0.1:6379 db=x;', 'server 127.0.0.1:1;');
bad('address', qr/Redis address "127.0.0.1:port"/,
    'shard_redis 127.0.0.1:port;', 'server 127.0.0.1:1;');
bad('missing password file', qr/nope.*No such file/,
    "shard_redis 127.0.0.1:6379 password_file=$dir/nope;", 'server 127.0.0.1:1;');
bad('empty password file', qr/first line.*1 to 512 bytes/,
    "shard_redis 127.0.0.1:6379 password_file=$dir/empty;", 'server 127.0.0.1:1;');
bad('user without password', qr/user= without password_file=/,
    'shard_redis 127.0.0.1:6379 user=x;', 'server 127.0.0.1:1;');
bad('several Redis', qr/several addresses: only sentinels may be several/,
    'shard_redis 127.0.0.1:6379 127.0.0.1:6380;', 'server 127.0.0.1:1;');
bad('sentinel name', qr/invalid value of parameter "sentinel=a b".*give the master's name/,
    'shard_redis 127.0.0.1:26379 "sentinel=a b";', 'server 127.0.0.1:1;');
bad('second sentinel', qr/Redis address "127.0.0.1:port"/,
    'shard_redis 127.0.0.1 127.0.0.1:port sentinel=orders;', 'server 127.0.0.1:1;');
bad('sentinel password without sentinel', qr/sentinel_password_file= without sentinel=/,
    "shard_redis 127.0.0.1 sentinel_password_file=$dir/pw;", 'server 127.0.0.1:1;');
bad('certificates without TLS', qr/without tls=on/,
    "shard_redis 127.0.0.1 ca=$dir/pw;", 'server 127.0.0.1:1;');
bad('certificate without key', qr/both of cert= and key=/,
    "shard_redis 127.0.0.1 tls=on cert=$dir/pw;", 'server 127.0.0.1:1;');
bad('TLS switch', qr/"tls=yes" of "shard_redis": give on or off/,
    'shard_redis 127.0.0.1 tls=yes;', 'server 127.0.0.1:1;');
bad('no certificates', qr/hiredis 1\.0 or later|no certificates in \S*pw/,
    "shard_redis 127.0.0.1 tls=on ca=$dir/pw;", 'server 127.0.0.1:1;');
bad('no Redis', qr/without "shard_redis ADDRESS;"/,
    'shard_table orders 4m;', $shard);
bad('two Redis', qr/duplicate/, "$redis $redis", 'server 127.0.0.1:1;');
bad('parameter of shard_router', qr/did you mean "interval="/,
    'shard_router a intervall=1s;', 'server 127.0.0.1:1;');
bad('router name', qr/router name "a b"/, 'shard_router "a b";', 'server 127.0.0.1:1;');
bad('interval', qr/invalid value/, 'shard_router a interval=1ms;', 'server 127.0.0.1:1;');
bad('small table', qr/too small, give at least 2m/,
    "$redis shard_table orders 100k;", $shard);
bad('size', qr/too small/, "$redis shard_table orders big;", $shard);
bad('parameter of shard_table', qr/did you mean "state="/,
    "$redis shard_table orders 4m stat=x;", $shard);
bad('two tables', qr/duplicate keyspace "orders"/,
    "$table shard_table orders 4m;", $shard);
bad('unknown keyspace', qr/unknown keyspace "order".*shard_table order SIZE/,
    $table, 'shard order key=$http_x_key;');
bad('health first', qr/must stand after "shard"/, $table, "shard_health; $shard");
bad('health twice', qr/duplicate/, $table, "$shard shard_health; shard_health;");
bad('another health', qr/not the one of keyspace "orders" in \S+:\d+: .*give the same/,
    "$table upstream others { $shard shard_health fails=4; }", "$shard shard_health;");
bad('parameter of shard_health', qr/did you mean "timeout="/, $table,
    "$shard shard_health timout=1s;");
bad('health of nothing', qr/nothing to go by: give "uri="/, $table,
    "$shard shard_health passive=off;");
bad('status of nothing', qr/"status=" but no "uri="/, $table,
    "$shard shard_health status=200;");

for (split ' ', 'uri=health interval=10ms interval=2m fails=0 fails=x passes=1001 timeout=0 status=20'
                . ' status=200- status=399-200 status=200,,201 status=600 status=200;404 slow_start=2d'
                . ' passive=yes uri=/a#b')
{
    my $arg = /;/ ? qq("$_") : $_;
    bad("health, $_", qr/invalid value of parameter "\Q$_\E" of "shard_health": give \w/,
        $table, "$shard shard_health uri=/ $arg;");
}

bad('health, a space', qr/invalid value of parameter "uri=\/a b"/, $table,
    qq($shard shard_health "uri=/a b";));
bad('no key', qr/no "key=" parameter/, $table, 'shard orders client=$http_x_app;');
bad('parameter of shard', qr/did you mean "client="/, $table,
    'shard orders key=$http_x_key clint=$http_x_app;');
bad('miss', qr/"miss=421" of "shard": give a status/, $table,
    'shard orders key=$http_x_key miss=421;');
bad('no status', qr/"miss=no" of "shard": give a status/, $table,
    'shard orders key=$http_x_key miss=no;');
bad('strong_reads', qr/"strong_reads=no" of "shard": give standby or wait/,
    $table, 'shard orders key=$http_x_key strong_reads=no;');
bad('from', qr/"from=" of "shard": give a variable/, $table,
    'shard orders key=$http_x_key from=;');
bad('unknown variable', qr/unknown "no_such" variable/, $table,
    'shard orders key=$no_such;');
bad('server before', qr/"server" is not allowed beside "shard"/, $table,
    "server 127.0.0.1:1; $shard");
bad('server after', qr/is not allowed beside "shard"/, $table,
    "$shard server 127.0.0.1:1;");
bad('keepalive before', qr/must stand before "keepalive"/, $table,
    "keepalive 8; $shard");
bad("$_ before", qr/"shard" directive must stand .* beside no other balancing method/,
    $table, "$_; $shard") for 'least_conn', 'ip_hash', 'random', 'hash $arg_k';
bad("$_ behind it", qr/"shard" of upstream .* is overruled/, $table,
    "$shard $_;") for 'least_conn', 'ip_hash', 'random two', 'hash $arg_k consistent';
bad("zone", qr/"zone" in upstream "orders" .* not allowed beside "shard": .*"shard_table"/,
    $table, $_) for "zone peers 64k; $shard", "$shard zone peers 64k;";
good('keepalive with everything of it', $table, "keepalive_timeout 1m; $shard keepalive 8;"
     . ' keepalive_requests 100; keepalive_time 1h;');
good('keepalive of its own', $table, "$shard shard_keepalive 64 timeout=30s requests=500 time=10m;");
good('as long as anybody likes', $table, "$shard shard_keepalive 1 timeout=3650d time=3650d;");
bad('both kinds of keepalive', qr/"shard_keepalive" of upstream "orders" .* beside "keepalive".*: remove one/, $table,
    "$shard shard_keepalive 8; keepalive 8;");
bad('shard_keepalive first', qr/must stand after "shard"/, $table, "shard_keepalive 8; $shard");
bad('shard_keepalive twice', qr/duplicate/, $table, "$shard shard_keepalive 8; shard_keepalive 8;");
bad("shard_keepalive $_", qr/"$_" of "shard_keepalive": give how many connections .*1 to 65536/,
    $table, "$shard shard_keepalive $_;") for '0', '65537', 'many', 'timeout=1s';
bad('parameter of shard_keepalive', qr/did you mean "requests="/, $table,
    "$shard shard_keepalive 8 request=10;");
bad("shard_keepalive, $_", qr/invalid value of parameter "$_" of "shard_keepalive": give a \w+ above 0/,
    $table, "$shard shard_keepalive 8 $_;") for qw/ timeout=0 time=x requests=0 requests=x /;
good('an upstream behind its locations, and one that nobody uses',
     "$table server { listen 127.0.0.1:2; location / { proxy_pass http://later; } }"
     . " upstream later { $shard } upstream unused { $shard }", $shard);
good('several upstreams of one keyspace, several keyspaces',
     "$table shard_table users 2m; upstream by_user { shard users key=\$arg_user; keepalive 2; }"
     . ' upstream by_cookie { shard orders key=$cookie_order; shard_hold max=1; }', $shard);
bad('no such value', qr/"write=yes" of "shard_api": give on or off/, $table,
    $shard, 'location /s/ { shard_api write=yes; }');
bad('hold before shard', qr/must stand after "shard"/, $table,
    "shard_hold max=1; $shard");
bad('hold bytes', qr/invalid value of parameter "bytes=0"/, $table, "$shard shard_hold bytes=0;");
bad('hold deadline', qr/"deadline="/, $table, "$shard shard_hold deadline=;");
bad('hold parameter', qr/did you mean "deadline="/, $table, "$shard shard_hold dedline=1s;");
bad('hold max', qr/max must be 1 to 65536/, $table, "$shard shard_hold max=65537;");
bad('hold timeout', qr/invalid value of parameter "timeout=x"/, $table,
    "$shard shard_hold timeout=x;");
bad('parameter of shard_hold', qr/did you mean "timeout="/, $table,
    "$shard shard_hold timeot=1s;");
bad('mirror before shard', qr/must stand after "shard"/, $table,
    "shard_mirror max=1; $shard");
bad('mirror max', qr/max must be 0 to 4096/, $table,
    "$shard shard_mirror max=4097;");
bad('mirror timeout', qr/invalid value of parameter "timeout=0"/, $table,
    "$shard shard_mirror timeout=0;");
bad('parameter of shard_mirror', qr/did you mean "max="/, $table,
    "$shard shard_mirror mac=1;");
bad('parameter of shard_api', qr/did you mean "write="/, $table, $shard,
    'location /s/ { shard_api wite=on; }');


# shard_scatter: a location of its own

my @orders = ($table, $shard);

good('scatter', @orders, 'location /s { shard_scatter orders; }');
good('scatter with everything', @orders,
     'location /s { shard_scatter orders merge=ndjson keys=$arg_keys to=all max=10'
     . ' concurrency=2 bytes=1m timeout=1s partial=502; }');
good('scatter over other protocols', @orders,
     join ' ', map { "location /$_ { ${_}_pass orders; shard_scatter orders; }" }
               qw/ fastcgi uwsgi scgi grpc /);
good('scatter in a regex location, under if and limit_except', @orders,
     'location ~ s$ { shard_scatter orders; if ($arg_a) { set $b 1; }'
     . ' limit_except GET { deny all; } }');
bad('scatter: parameter', qr/did you mean "concurrency="/, @orders,
    'location /s { shard_scatter orders concurency=1; }');
bad("scatter: $_->[0]", $_->[1], @orders,
    "location /s { shard_scatter orders $_->[0]; }")
    for [ 'merge=xml', qr/give json, object, ndjson or concat/ ],
        [ 'max=0', qr/max must be 1 to 16384 shards/ ],
        [ 'concurrency=2000', qr/give a number of 1 to 1024/ ],
        [ 'bytes=0', qr/give a size above 0/ ],
        [ 'timeout=0', qr/give a time above 0/ ],
        [ 'partial=500', qr/give 207 or 502/ ],
        [ 'to=some', qr/give all/ ], [ 'keys=', qr/"keys="/ ],
        [ 'keys=$no_such', qr/unknown "no_such" variable/ ];
bad('scatter twice', qr/duplicate/, @orders,
    'location /s { shard_scatter orders; shard_scatter orders; }');
bad('scatter before proxy_pass', qr/duplicate/, @orders,
    'location /s { shard_scatter orders; proxy_pass http://orders; }');
bad('scatter before fastcgi_pass', qr/overruled by what stands behind it/,
    @orders, 'location /s { shard_scatter orders; fastcgi_pass orders; }');
bad('scatter beside another upstream', qr/names another upstream/,
    "$table upstream other { server 127.0.0.1:1; }", $shard,
    'location /s { proxy_pass http://other; shard_scatter orders; }');
bad('scatter beside no upstream', qr/names another upstream/, @orders,
    'location /s { stub_status; shard_scatter orders; }');
bad('scatter to no shards', qr/needs an upstream with "shard"/,
    "$table upstream other { server 127.0.0.1:1; }", $shard,
    'location /s { shard_scatter other; }');
bad('scatter with a cache', qr/cannot be cached where its parts are/,
    "$table proxy_cache_path $dir/cache keys_zone=c:1m;", $shard,
    'location /s { proxy_cache c; shard_scatter orders; }');

$t->finish();
done_testing();

#!/usr/bin/perl

# shard_api: what Redis answers, and operators' writes.

use warnings;
use strict;

use Test::More;
use JSON::PP;

use ShardTest;

my $t = ShardTest->new(shards => 4);

$t->{nodes}{$_} = { name => $_, addr => "127.0.0.1:1", capacity => 100,
                    zone => 'z1' } for qw/ n1 n2 /;

$t->start_redis();
$t->seed(nodes => [ 'n1' ], silent => 1);
$t->start_nginx(server => 'location /rw/ { shard_api write=on; }');
wait_for { $t->api('')->{version} > 0 } 5, 'a table';

my $r = $t->redis();


sub call {
    my ($method, $path, $body) = @_;

    my $answer = $t->request($method, $path, $body);
    my $json = eval { decode_json($answer->{content}) };

    ok($json, "$method $path answers JSON") or diag $answer->{content};
    return ($answer->{status}, $json || {});
}

sub refused {
    my ($method, $path, $body, $status, $code) = @_;

    my ($got, $json) = call($method, $path, $body);
    is($got, $status, "$method $path " . ($body || '') . ": $status");
    is($json->{error}{code}, $code, $code);
}


# reads

wait_for { $r->command('HLEN', $t->key('routers')) } 3, 'a router entry';
my ($status, $json) = call('GET', '/rw/orders/routers');
is($json->{'edge-1'}{zone}, 'z1', 'routers');

$r->command('HSET', $t->key('zones'), 'z1', '{"score":0.5}', 'z2', 'not "json');
($status, $json) = call('GET', '/rw/orders/zones');
is($json->{z1}{score}, 0.5, 'zones');
is($json->{z2}, 'not "json', 'what is no JSON is a string');

$r->command('HSET', $t->key('forecast'), 2, '{"at":1}');
is((call('GET', '/rw/orders/forecasts/2'))[1]{at}, 1, 'a forecast');
refused('GET', '/rw/orders/forecasts/3', undef, 404, 'not_there');
refused('GET', '/rw/orders/forecasts/x', undef, 400, 'bad_id');

my $id = '00000000000000ab';
$r->command('ZADD', $t->key('migrations'), 5, $id);
$r->command('HSET', $t->key("migration:$id"), 'phase', 'copy', 'error', "a \"quote\"");
is_deeply((call('GET', '/rw/orders/migrations'))[1], { migrations => [ $id ] },
          'migrations');
is((call('GET', "/rw/orders/migrations/$id"))[1]{phase}, 'copy', 'one of them');
refused('GET', '/rw/orders/migrations/00000000000000ac', undef, 404, 'not_there');
refused('GET', '/rw/orders/migrations/' . 'a' x 17, undef, 400, 'bad_id');
is_deeply((call('GET', '/rw/orders/events'))[1], {}, 'no events');
refused('GET', '/rw/orders/policy', undef, 404, 'not_there');
refused('GET', '/rw/orders/nonsense', undef, 404, 'no_such_resource');


# writes

refused('PUT', '/shards/orders/override/1', '{"verb":"pin n2"}', 403, 'read_only');
is($r->command('HLEN', $t->key('override')), 0, 'nothing written without write=on');
refused('PUT', '/rw/orders/override/1', '{"verb":"pinn n2"}', 400, 'bad_body');
refused('PUT', '/rw/orders/override/1', '{"verb":"pin n77"}', 404,
    'no_such_shard_or_node');
refused('PUT', '/rw/orders/override/7777', '{"verb":"hold"}', 404,
    'no_such_shard_or_node');
refused('PUT', '/rw/orders/override/1', '{"verb":1}', 400, 'bad_body');
refused('PUT', '/rw/orders/override/1', 'pin n2', 400, 'bad_body');
refused('PUT', '/rw/orders/override/1', '', 400, 'bad_body');
refused('PUT', '/rw/orders/override/1', '{"verb":"' . 'x' x 10000 . '"}', 400, 'bad_body');
is($r->command('HLEN', $t->key('override')), 0, 'nothing written by bad bodies');

is((call('PUT', '/rw/orders/override/1', '{"verb":"pin n2"}'))[0], 200, 'an override');
is($r->command('HGET', $t->key('override'), 1), 'pin n2', 'is in Redis');
is((call('PUT', '/rw/orders/override/1', '{"verb":"hold"}'))[0], 200, 'changed');
is((call('DELETE', '/rw/orders/override/1'))[0], 200, 'cleared');
refused('DELETE', '/rw/orders/override/1', undef, 404, 'not_there');
refused('POST', '/rw/orders/override/1', '{}', 405, 'method_not_allowed');

($status, $json) = call('POST', '/rw/orders/migrations', '{"shard":2,"to":"n2"}');
is($status, 202, 'a migration is decided');
is($r->command('HGET', $t->key("decision:$json->{id}"), 'to'), 'n2', 'as a decision');
is($r->command('HGET', $t->key("decision:$json->{id}"), 'from'), 'n1', 'from its owner');
is($r->command('XLEN', $t->key('decisions')), 1, 'in the stream');
refused('POST', '/rw/orders/migrations', '{"shard":2,"to":"n2"}', 409, 'already_decided');
refused('POST', '/rw/orders/migrations', '{"shard":2,"to":"n1"}', 409, 'already_there');
refused('POST', '/rw/orders/migrations', '{"shard":9,"to":"n2"}', 404, 'no_such_shard_or_node');
refused('POST', '/rw/orders/migrations', '{"shard":2,"to":"n9"}', 404, 'no_such_shard_or_node');
refused('POST', '/rw/orders/migrations', '{"shard":2}', 400, 'bad_body');
refused('POST', '/rw/orders/migrations', '[]', 400, 'bad_body');

is((call('DELETE', "/rw/orders/migrations/$id"))[0], 200, 'a roll-back is asked for');
is($r->command('HGET', $t->key("migration:$id"), 'wish'), 'rollback', 'as a wish');
$r->command('HSET', $t->key("migration:$id"), 'phase', 'done', 'wish', '');
refused('DELETE', "/rw/orders/migrations/$id", undef, 409, 'too_late');
is($r->command('HGET', $t->key("migration:$id"), 'wish'), '', 'and no wish');
refused('DELETE', '/rw/orders/migrations/00000000000000ac', undef, 404, 'not_there');
is($r->command('EXISTS', $t->key('migration:00000000000000ac')), 0, 'nothing made');


# many at once, a client that leaves, Redis gone

my @sockets = map {
    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$t->{nginx_port}");
    print $s "GET /rw/orders/routers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    $s;
} 1 .. 50;

close $sockets[$_] for 0 .. 9;

my $good = 0;

for my $s (@sockets[10 .. 49]) {
    local $/;
    my $text = readline($s);
    $good++ if $text =~ /^HTTP\/1.1 200/ && $text =~ /edge-1/;
}

is($good, 40, 'many at once');

$t->process('redis')->stop();
refused('GET', '/rw/orders/zones', undef, 503, 'redis_unavailable');

$t->finish();
done_testing();

#!/usr/bin/perl

# LeakSanitizer over nginx as one process, one feature at a time: what the
# module took and nobody points to any more when it is asked to quit.

use warnings;
use strict;

BEGIN { $ENV{SHARD_SAN} = 1 }

use JSON::PP;
use Test::More;

use ShardTest;

my %feature = (
    routes => {},
    health => { upstream => 'shard_health uri=/ interval=50ms;' },
    hold => { upstream => 'shard_hold max=8 timeout=50ms;' },
    api => { server => 'location /rw/ { shard_api write=on; }' },
);

plan(skip_all => 'no sanitizer build here: make sanitize')
    if !-e ShardTest::top() . '/build/san/ngx_http_shard_module.so';

run($_) for sort keys %feature;
done_testing();


sub run {
    my ($name) = @_;

    my $t = ShardTest->new(shards => 8, name => "leaks_$name");

    $t->start_redis();
    $t->start_nodes(2);
    $t->seed();
    $t->redis()->command('HSET', $t->key('meta'), 'policy', '{"mirror":10000}');
    $t->start_nginx(workers => 1, main => 'master_process off;', leaks => 1,
                    %{ $feature{$name} });
    wait_for { $t->api('')->{version} == $t->version() } 10, 'a table';

    for my $n (1 .. 40) {
        my $record = $t->shard_record($n % 8);

        $record->{epoch}++;
        $record->{phase} = $n % 4 ? 'steady' : 'held' if $name eq 'hold';
        $t->commit('shard:' . $n % 8, 'shard', $n % 8, encode_json($record));
        $t->redis()->command('HSET', $t->key('override'), 1, "pin n$_") for 1, 2;
        $t->get("/kv/a$n", 'X-Key' => "a$n");
        $t->get($_) for '/metrics?shards=1', '/shards/orders/shards';
        $t->request('PUT', '/rw/orders/override/2', '{"verb":"freeze"}')
            if $name eq 'api';
    }

    # one process cannot go on with another configuration, and says so

    $t->process('nginx')->signal('HUP');
    wait_for { $t->error_log() =~ /"shard_table" with "master_process off" cannot be reloaded/ } 5,
             'refused';
    $t->allow(qr/cannot be reloaded/);

    # a bad table, and one that is read whole again

    $t->redis()->command('HINCRBY', $t->key('meta'), 'version', 5);
    wait_for { $t->api('')->{version} == $t->version() } 10, 'a whole load';
    $t->finish("$name: nothing is left behind");
}

#!/usr/bin/perl

# A shard of a keyspace of any kind moves like one of hash: its data goes to
# the new owner, and what it holds stays what it was.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP;
use Test::More;

use ShardTest;

my $http = HTTP::Tiny->new(timeout => 5);
my $t;

moves('numbers', [ '--kind', 'range uint64', '--cuts', '1000,2000' ],
      [ 1000, '0001500', 1999 ], qr/"lo":"0+3e8","hi":"0+7d0"/);
moves('names', [ '--kind', 'range bytes', '--cuts', 'b%c3,c' ],
      [ 'b%c3', 'b%ff' ], qr/"lo":"b%c3","hi":"c"/);
moves('units', [ '--kind', 'list', '--unit', 'a', '--unit', 'search,b%2c%c3' ],
      [ 'search', 'b,%c3' ], qr/"units":\["search","b,%c3"\]/);

done_testing();


# shard 1 holds the keys and moves from n2 to n1

sub moves {
    my ($keyspace, $kind, $keys, $holds) = @_;

    # a node is of one keyspace: its epochs are

    $t = ShardTest->new(name => "51_$keyspace");
    $t->start_redis();
    $t->start_nodes(2);

    my $r = $t->redis();
    my @nodes = map { my $n = $t->{nodes}{$_};
                      ('--node', "$_=$n->{addr},zone=$n->{zone},capacity=9") }
                    $t->node_names();

    $t->ctl('init', @$kind, @nodes);

    like($r->command('HGET', $t->key('table'), 1), $holds, "$keyspace: shard 1");

    for my $key (map { s/%(..)/chr(hex $1)/ger } @$keys) {
        is($t->ctl('locate', $key)->{shard}, 1, 'one of its keys');
    }

    my %kept = map { ("key$_" => "value $_") } 1 .. 50;
    is(scalar(grep { put($_, $kept{$_}) } keys %kept), 50, 'data on n2');

    $t->start_daemon('shard-migrator', 'm1',
        "keyspace: $t->{keyspace}\nname: m1\nredis:\n"
        . '  addr: ' . $t->redis_addr() . "\nscan: 50ms\n"
        . "gate:\n  probes: 5\n  probe_interval: 2ms\n"
        . "  latency_floor: 2s\n");

    my ($status, $out, $err) = $t->try_ctl('migrate', 1, 'n1', '--wait',
                                           '--timeout', '60s');
    is($status, 0, "moved: $out$err");

    my $rec = decode_json($r->command('HGET', $t->key('table'), 1));
    is("$rec->{primary} $rec->{phase}", 'n1 steady', 'its owner');
    like($r->command('HGET', $t->key('table'), 1), $holds, 'holds the same');
    is(scalar(grep { fetch($rec, $_) eq $kept{$_} } keys %kept), 50,
       'data on n1');

    $t->finish();
}


sub put {
    my ($key, $value) = @_;

    return $http->put("http://$t->{nodes}{n2}{addr}/kv/$key", {
        content => $value,
        headers => { 'X-Shard-Id' => 1, 'X-Shard-Role' => 'primary',
                     'X-Shard-Epoch' => 1 } })->{success};
}


sub fetch {
    my ($rec, $key) = @_;

    return $http->get("http://$t->{nodes}{$rec->{primary}}{addr}/kv/$key", {
        headers => { 'X-Shard-Id' => 1, 'X-Shard-Role' => 'primary',
                     'X-Shard-Epoch' => $rec->{epoch} } })->{content};
}

#!/usr/bin/perl

# Mirrored reads decide whether a shard moves: the migrator names the target
# in warm-up, the router mirrors and counts, the migrator's gate judges.

use warnings;
use strict;

use JSON::PP;
use Test::More;

use ShardTest;

my $t = ShardTest->new(shards => 2, workers => 2, follow_seconds => 2);
my %port = map { $_ => free_port() } qw/ same other /;

$t->start_redis();
$t->start_nodes(2);

# two nodes without data of their own, one of which answers something else

$t->{nodes}{$_} = { name => $_, addr => "127.0.0.1:$port{$_}", zone => 'z1',
                    capacity => 100 } for keys %port;

$t->seed(nodes => [ 'n1' ]);

$t->start_nginx(interval => '100ms', upstream => <<"CONF",
        shard_mirror timeout=5s; keepalive 16;
CONF
    http => join '', map { <<"CONF" } keys %port);
server {
    listen 127.0.0.1:$port{$_};
    location = /health { return 200; }
    location / { return 200 "@{[ $_ eq 'other' ? 'something else' : 'all fine' ]}"; }
}
CONF

$t->start_daemon('shard-migrator', 'm1', $t->migrator_conf('m1', <<'CONF')
standby_time: 0s
shift:
    step_bp: 5000
    interval: 100ms
CONF
    =~ s/latency_floor: 500ms/latency_floor: 5s\n    mirror_sample: 30\n    mirror_wait: 40s/r);

wait_for { $t->get('/', 'X-Key' => 'a')->{status} != 503 } 5, 'a table';

my ($key) = grep { $t->get('/', 'X-Key' => $_)->{headers}{'x-shard-id'} eq '0' }
            map { "key$_" } 1 .. 100;


sub policy {
    return $t->followed($t->committed('keyspace', 'meta', 'policy', $_[0]));
}


# reads and some writes until the migration has ended

sub under_load {
    my ($id) = @_;

    my ($n, $failed, $phase, $named) = (0, 0, '', '');
    my $until = time() + 60;

    while (time() < $until) {
        my $answer = $n++ % 10
                     ? $t->get("/kv/$key", 'X-Key' => $key)
                     : $t->request('PUT', "/kv/$key", "value $n", 'X-Key' => $key);

        $failed++ if $answer->{status} >= 400;
        next if $n % 20;

        my $record = $t->shard_record(0);
        $named = $record->{target} if $record->{phase} eq 'steady' && $record->{target};

        $phase = $t->migration($id)->{phase} || '';
        last if $phase =~ /^(done|rolled-back)$/;
    }

    is($failed, 0, "$n requests meanwhile, none failed");
    return ($phase, $named);
}


# a shard with data of its own

policy('{"mirror":10000}');
$t->request('PUT', "/kv/$key", 'value', 'X-Key' => $key);

my $id = $t->migrate(0, 'n2');
my ($phase, $named) = under_load($id);
my $migration = $t->migration($id);

is($phase, 'done', 'the shard moves') or diag $migration->{error};
is($named, 'n2', 'the record named the target while it was steady');
cmp_ok($migration->{mirrored}, '>=', 30, "$migration->{mirrored} reads compared");
cmp_ok($migration->{mirror_bad}, '<=', 1 + $migration->{mirrored} / 50,
       "$migration->{mirror_bad} of them another");

my $record = $t->shard_record(0);
is_deeply([ @$record{qw/ primary phase target migration /} ],
          [ 'n2', 'steady', undef, undef ], 'the record is clean');


# no share in the policy, no target in the record

policy('{"mirror":0}');
$id = $t->migrate(0, 'n1');
($phase, $named) = under_load($id);
is($phase, 'done', 'it moves back without a mirror');
is($named, '', 'and its record names no target while it is steady');
is($t->migration($id)->{mirrored}, 0, 'nothing was compared');


# a target that answers something else

policy('{"mirror":5000}');
$record = $t->shard_record(0);
my $got = $t->commit('shard:0', 'shard', 0,
                     encode_json({ %$record, strategy => 'stateless',
                                   primary => 'same', epoch => $record->{epoch} + 1 }));
is($got->[0], 'ok', 'a shard without data');
wait_for { ($t->api('/shards/0')->{primary} || '') eq 'same' } 2, 'the change';

$id = $t->migrate(0, 'other');
($phase) = under_load($id);
$migration = $t->migration($id);

is($phase, 'rolled-back', 'a target that answers something else: rolled back');
like($migration->{error}, qr/warm-up: gate: of \d+ mirrored reads other answered .* another body/,
     "it says why: $migration->{error}");
$record = $t->shard_record(0);
is_deeply([ @$record{qw/ primary phase target migration /} ],
          [ 'same', 'steady', undef, undef ], 'the record is as it was');
like($t->error_log(), qr/another body from the target/, 'the router logged it');

$t->finish();
done_testing();

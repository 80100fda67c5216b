#!/usr/bin/perl

# The migrator against a real Redis and real nodes.  There is no router here:
# writes go to the owner by hand, and drain passes at once (require_routers 0).

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;


my $t = ShardTest->new(shards => 16);
my $http = HTTP::Tiny->new(timeout => 5);
my $wishes = 0;

$t->start_redis();
$t->start_nodes(3);
$t->seed();

my $r = $t->redis();


sub conf {
    my ($name, $more) = @_;

    return "keyspace: orders\nname: $name\nredis:\n"
           . '  addr: ' . $t->redis_addr() . "\nscan: 50ms\n"
           . "timeouts:\n  check: 2s\n"
           . "claim:\n  ttl: 1500ms\n  cutover_ttl: 800ms\n"
           . ($more || "gate:\n  probes: 5\n  probe_interval: 2ms\n"
                       . "  latency_floor: 2s\n");    # a busy machine is no fault
}


sub migrator {
    my ($name, %args) = @_;

    return $t->start_daemon('shard-migrator', $name,
                            conf($name, $args{conf}), %args);
}


# a new wish with an id of its own; "again" takes the id of an earlier one

sub decide {
    my ($shard, $to, %args) = @_;

    my $rec = $t->shard_record($shard);
    my $id = $args{id} || sprintf '%016x', 0xabc000 + ++$wishes;

    my %fields = (id => $id, verb => 'move', shard => $shard,
                  from => $rec->{primary}, to => $to, epoch => $rec->{epoch},
                  by => 'operator:test', mode => 'act', reason => '{}',
                  decided_ms => int(time() * 1000), %{ $args{fields} || {} });

    $r->command('XADD', $t->key('decisions'), '*', %fields);
    return $id;
}


sub migration {
    my ($id) = @_;
    return $r->hash($t->key("migration:$id"));
}


sub ended {
    my ($id, $seconds) = @_;

    wait_for { (migration($id)->{phase} || '') =~ /^(done|rolled-back)$/ }
             $seconds || 20, "the end of migration $id";
    return migration($id);
}


sub node_url { return "http://$t->{nodes}{$_[0]}{addr}$_[1]" }


sub stats {
    my ($node, $shard) = @_;

    my $answer = $http->get(node_url($node, "/_shard/$shard/stats"));
    return decode_json($answer->{content});
}


sub digest {
    my ($node, $shard) = @_;

    my $answer = $http->get(node_url($node, "/_shard/$shard/digest?parts=64"));
    return decode_json($answer->{content});
}


# to the owner as the table names it, as a router would: true when it is done

sub put {
    my ($shard, $key, $value) = @_;

    my $rec = $t->shard_record($shard);
    return 0 if ($rec->{phase} || 'steady') eq 'held';

    my $answer = $http->put(node_url($rec->{primary}, "/kv/$key"), {
        content => $value,
        headers => { 'X-Shard-Id' => $shard, 'X-Shard-Role' => 'primary',
                     'X-Shard-Epoch' => $rec->{epoch} } });

    return $answer->{status} == 204 || $answer->{status} == 200;
}


sub fetch {
    my ($shard, $key) = @_;

    my $rec = $t->shard_record($shard);
    return $http->get(node_url($rec->{primary}, "/kv/$key"), {
        headers => { 'X-Shard-Id' => $shard, 'X-Shard-Role' => 'primary',
                     'X-Shard-Epoch' => $rec->{epoch} } })->{content};
}


sub fill {
    my ($shard, $n) = @_;
    return scalar grep { put($shard, "k$shard-$_", "v$_") } 1 .. $n;
}


# writes until the migration has ended, and some more; what was acknowledged
# must be there

sub write_during {
    my ($shard, $id) = @_;

    my (%acked, $n);
    my $until = time() + 25;

    while (time() < $until) {
        my $key = 'w' . ++$n . "-$shard";

        if (put($shard, $key, $n)) {
            $acked{$key} = $n;
        } else {
            sleep 0.002;                # held
        }

        last if $n % 20 == 0 && keys %acked > 10
            && (migration($id)->{phase} || '') =~ /^(done|rolled-back)$/;
    }

    my @lost = grep { fetch($shard, $_) ne $acked{$_} } keys %acked;

    return (scalar keys %acked, scalar @lost);
}


# help and mistakes

my ($status, $out, $err) = $t->run($t->program('shard-migrator'), '--help');
is($status, 0, '--help');
like($out, qr/hold:/, '--help lists the keys');

($status, $out, $err) = $t->run($t->program('shard-migrator'));
is($status, 2, 'usage without -c');

spew($t->dir() . '/bad.yaml', "keyspace: orders\nhold:\n  timout: 1s\n");
($status, $out, $err) = $t->run($t->program('shard-migrator'), '-c',
                                $t->dir() . '/bad.yaml');
is($status, 1, 'a misspelt key is refused');
like($err, qr/bad\.yaml:3:.*timeout/s, '... with its line and the right name');

spew($t->dir() . '/driver.yaml', "keyspace: orders\ndriver: htp\n");
($status, $out, $err) = $t->run($t->program('shard-migrator'), '-t', '-c',
                                $t->dir() . '/driver.yaml');
is($status, 1, 'an unknown driver is refused');
like($err, qr/driver\.yaml:2:9: "driver": "htp" is none of http/,
     '... and the ones there are are named');

spew($t->dir() . '/hook.yaml', "keyspace: orders\nhooks:\n"
     . "  - { phase: copy, exec: [ x ] }\n  - { phase: coppy, exec: [ x ] }\n");
($status, $out, $err) = $t->run($t->program('shard-migrator'), '-t', '-c',
                                $t->dir() . '/hook.yaml');
is($status, 1, 'a hook of no phase is refused');
like($err, qr/hook\.yaml: hooks, item 2: "coppy" is no phase, nearest is "copy"/,
     '... and which one');

spew($t->dir() . '/none.yaml', "keyspace: orders\nredis:\n"
     . '  addr: 127.0.0.1:' . free_port() . "\n");
($status, $out, $err) = $t->run($t->program('shard-migrator'), '-c',
                                $t->dir() . '/none.yaml');
is($status, 1, 'no Redis: ends');
like($err, qr/redis 127\.0\.0\.1:\d+/, '... and says which');

($status) = $t->run($t->program('shard-migrator'), '-t', '-c',
                    ShardTest::top() . '/conf/migrator.yaml');
is($status, 0, 'the example configuration is good');


# a move while it is written

is(fill(0, 300), 300, 'shard 0 has data on n1');
migrator('m1', conf => "gate:\n  probes: 30\n  probe_interval: 5ms\n");

my $id = decide(0, 'n2');
my ($acked, $lost) = write_during(0, $id);
my $m = ended($id);

is($m->{phase}, 'done', 'it arrives') or diag explain $m;
is(join(' ', $m->{trail} =~ /(\S+)@\d+/g),
   'planned claimed check copy catch-up warm-up shift hold drain final-sync '
   . 'verify commit release standby done', 'through every phase');
ok($acked > 10, "written meanwhile: $acked");
ok($m->{shipped} > 0, "and shipped behind the copy: $m->{shipped}");
is($lost, 0, 'none is lost');
ok($m->{hold_ms} < 1000, "held $m->{hold_ms} ms");

my $rec = $t->shard_record(0);
is($rec->{primary}, 'n2', 'n2 is the owner');
is($rec->{epoch}, 2, 'at a new epoch');
is_deeply($rec->{standbys}, ['n1'], 'n1 is its standby');
is($rec->{phase} || 'steady', 'steady', 'steady again');

is(stats('n2', 0)->{role}, 'primary', 'n2 knows');
my $old = stats('n1', 0);
is("$old->{role} $old->{epoch}", 'standby 2', 'n1 knows');

is($http->put(node_url('n1', '/kv/late'), {
       content => 'x',
       headers => { 'X-Shard-Id' => 0, 'X-Shard-Role' => 'primary',
                    'X-Shard-Epoch' => 1 } })->{status},
   421, 'a router with the old table is sent away');

$id = decide(0, 'n1');
$m = ended($id);
is($m->{phase}, 'done', 'and back');
is($m->{copies}, 0, 'without a snapshot: the old owner was kept warm');
is_deeply(digest('n1', 0), digest('n2', 0), 'both hold the same');


# a node that held the shard in another history, further than the source

my $stray = $t->shard_record(1)->{primary} eq 'n3' ? 'n1' : 'n3';
is(fill(1, 20), 20, 'shard 1 has data');
is($http->put(node_url($stray, '/_shard/1/snapshot'), {
       content => qq!{"k":"stray","v":"eA=="}\n!,
       headers => { 'X-Shard-Position' => 1000000 } })->{status},
   204, "... and $stray other data of it");

my $from = $t->shard_record(1)->{primary};
$id = decide(1, $stray);
is(ended($id)->{phase}, 'done', 'another history: it arrives');
is_deeply(digest($from, 1), digest($stray, 1),
          'another history: both hold the same');


# the same decision twice, and others that are only acknowledged

$id = decide(1, $from, fields => { mode => 'recommend' });
my $twice = decide(3, 'n2');
decide(3, 'n2', id => $twice);
ended($twice);

wait_for {
    my $pending = $r->command('XPENDING', $t->key('decisions'), 'migrators');
    $pending->[0] == 0
} 10, 'acknowledgement of all decisions';

is_deeply(migration($id), {}, 'a recommendation is not carried out');
is(migration($twice)->{attempt}, 1, 'the same decision is one migration');
is($t->shard_record(3)->{epoch}, 2, '... and one move');


# refusals leave the reason and touch nothing

sub refused {
    my ($name, $shard, $to, $why, %args) = @_;

    my $before = $t->version();
    my $got = ended(decide($shard, $to, %args));

    is($got->{phase}, 'rolled-back', "$name: refused");
    like($got->{error}, $why, "$name: says why");
    is($t->version(), $before, "$name: the table is as it was");
}

refused('an old epoch', 4, 'n3', qr/at epoch 1/, fields => { epoch => 7 });
refused('an unknown node', 4, 'n9', qr/no node n9/);
refused('onto itself', 4, $t->shard_record(4)->{primary}, qr/are both/);

$r->command('HSET', $t->key('override'), 4, 'freeze');
refused('a frozen shard', 4, 'n3', qr/freeze/);
$r->command('HDEL', $t->key('override'), 4);

$t->process('n3')->stop();
refused('a dead target', 4, 'n3', qr/check: not within .*n3/);
$t->process('n3')->start();


# the operator's wishes

$t->process('m1')->stop();
migrator('m2', conf => "gate:\n  probes: 50\n  probe_interval: 200ms\n");
fill(4, 20);
$id = decide(4, 'n3');
wait_for { (migration($id)->{phase} || '') eq 'warm-up' } 10, 'warm-up';

$r->command('HSET', $t->key("migration:$id"), 'wish', 'rollback');
$m = ended($id);
is($m->{phase}, 'rolled-back', 'rolled back when wished');
is(stats('n2', 4)->{role}, 'primary', 'the source serves');
is(stats('n3', 4)->{role}, 'none', 'the target has forgotten it');


# a target that dies behind the copy closes the gate

fill(7, 20);
$id = decide(7, 'n3');
wait_for { (migration($id)->{phase} || '') eq 'warm-up' } 10, 'warm-up';
$t->process('n3')->stop();
my $killed = time();
$m = ended($id, 30);
is($m->{phase}, 'rolled-back', 'target killed: rolled back');
ok(time() - $killed < 15, 'target killed: long before the phase times out');
like($m->{error}, qr/warm-up: .*n3/, 'target killed: says why');
is(stats('n2', 7)->{role}, 'primary', 'target killed: the source serves');
$t->process('n3')->start();
$t->process('m2')->stop();


# killed in each phase, resumed by another

my $shard = 5;
migrator('m3');

for my $point (qw/ claimed check copy copy:after catch-up warm-up shift hold
                   drain drain:after final-sync final-sync:after verify commit
                   commit:after release release:after standby standby:after /)
{
    my $from = $t->shard_record($shard)->{primary};
    my $to = $from eq 'n1' ? 'n2' : 'n1';
    my $name = "killed-$point";
    $name =~ s/:/-/;

    $t->process('m3')->signal('STOP');
    fill($shard, 10);

    my $doomed = migrator($name, env => { SHARD_MIGRATOR_CRASH => $point });
    $doomed->{asked} = 1;

    $id = decide($shard, $to);
    eval { wait_for { !$doomed->alive() } 20, "the migrator's end in $point" }
        || die "$@$id is in " . join(' ', map { "$_=" . (migration($id)->{$_} || '') }
                                          qw/ phase trail error /) . "\n";
    $t->process('m3')->signal('CONT');

    ($acked, $lost) = write_during($shard, $id);
    $m = ended($id);
    $rec = $t->shard_record($shard);

    # in the hold it depends on how much of hold_timeout is left by then
    my $held = $point =~ /^(hold|drain|final-sync|verify)/;
    my $owner = $m->{phase} eq 'done' ? $to : $from;

    like($m->{phase}, $held ? qr/^(done|rolled-back)$/ : qr/^done$/,
         "$point: ends $m->{phase}");
    is($rec->{primary}, $owner, "$point: one owner");
    is("@{[ map { stats($owner, $shard)->{$_} } qw/ role epoch / ]}",
       "primary $rec->{epoch}", "$point: that knows it");
    is($lost, 0, "$point: $acked writes, none lost");
}


# two at work: many moves, each once

migrator('m4');

my @moves = map { decide($_, $t->shard_record($_)->{primary} eq 'n3'
                             ? 'n1' : 'n3') } 8 .. 15;
my @phases = map { ended($_, 40)->{phase} } @moves;
is("@phases", join(' ', ('done') x 8), 'two migrators: all arrive');

my %holders = map { (migration($_)->{holder} => 1) } @moves;
ok(scalar keys %holders > 1, 'two migrators: both worked');


# nothing stateful about it: all requests shift, nothing is held

$t->commit('shard:6', 'shard', 6, encode_json({
    %{ $t->shard_record(6) }, strategy => 'stateless' }));
$t->process($_)->stop() for qw/ m3 m4 /;
migrator('m5', conf => "gate:\n  probes: 2\n  probe_interval: 2ms\n"
                       . "shift:\n  step_bp: 2500\n  interval: 20ms\n");

$id = decide(6, $t->shard_record(6)->{primary} eq 'n3' ? 'n1' : 'n3');
$m = ended($id);
is($m->{phase}, 'done', 'stateless: arrives') or diag explain $m;
is($m->{driver}, 'none', 'stateless: no data are moved');
unlike($m->{trail}, qr/copy|hold/, 'stateless: nothing is held');

my $log = join ' ', map { $_->[1]{'shard:6'} || () }
          $t->redis()->stream($t->key('log'));
like($log, qr/"shift":2500.*"shift":5000.*"shift":10000/, 'stateless: shifts');

$t->process('m5')->stop();
$t->finish();

done_testing();

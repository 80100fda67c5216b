#!/usr/bin/perl

# Shards that move between real PostgreSQL servers, with the migrator's driver
# "postgres", under load through nginx; killed migrators, ways back, and
# nothing left behind.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;
use ShardTest::Postgres;


my $t = ShardTest->new(shards => 6);
my $wishes = 0;

my %pg = map { $_ => ShardTest::Postgres->start(name => $_) } qw/ n1 n2 /;

$t->start_redis();

for my $name (sort keys %pg) {
    $t->start_node($name, store => $pg{$name}->url());
}

$t->seed();

my $r = $t->redis();


sub conf {
    my ($name, $more, $hold) = @_;

    $hold ||= '4s';

    return "keyspace: orders\nname: $name\ndriver: postgres\nredis:\n"
           . '  addr: ' . $t->redis_addr() . "\nscan: 50ms\n"
           . "postgres:\n  nodes:\n"
           . join('', map { "    $_: \"" . $pg{$_}->conninfo() . "\"\n" }
                      sort keys %pg)
           . "  tables:\n    shardkv.kv: shard\n    shardkv.entry: shard\n"
           . "claim:\n  ttl: 1500ms\n  cutover_ttl: 800ms\n"
           . "hold:\n  timeout: $hold\n"
           . "gate:\n  probes: 5\n  probe_interval: 2ms\n"
           . "  latency_floor: 2s\n"         # a busy machine is no fault
           . ($more || '');
}


sub migrator {
    my ($name, %args) = @_;

    return $t->start_daemon('shard-migrator', $name,
                            conf($name, $args{conf}, $args{hold}), %args);
}


sub decide {
    my ($shard, $to, $verb) = @_;

    my $rec = $t->shard_record($shard);
    my $id = sprintf '%016x', 0xabc000 + ++$wishes;

    $r->command('XADD', $t->key('decisions'), '*',
                id => $id, verb => $verb || 'move', shard => $shard,
                from => $rec->{primary}, to => $to, epoch => $rec->{epoch},
                by => 'operator:test', mode => 'act', reason => '{}',
                decided_ms => int(time() * 1000));
    return $id;
}


sub migration { return $r->hash($t->key("migration:$_[0]")) }


sub ended {
    my ($id, $seconds) = @_;

    wait_for { (migration($id)->{phase} || '') =~ /^(done|rolled-back)$/ }
             $seconds || 60, "the end of migration $id";
    return migration($id);
}


sub other { return $t->shard_record($_[0])->{primary} eq 'n1' ? 'n2' : 'n1' }

sub move {
    my ($shard) = @_;
    return ended(decide($shard, other($shard)));
}


# a server's links of a shard that is at rest: the way to its standby alone

sub leftovers {
    my ($shard) = @_;

    return join ' ', map {
        my $name = $_;
        map { "$name:$_" } grep { !defined $shard || /_${shard}_[0-9a-f]{16}_/ }
        split /\n/, $pg{$name}->leftovers()
    } sort keys %pg;
}


# no way that is not that of the last migration to the standby

sub only_way_back {
    my ($shard, $id, $owner) = @_;

    my $name = "shard_orders_[0-9a-f]{8}_${shard}_${id}_r";
    my $back = $owner eq 'n1' ? 'n2' : 'n1';
    my @want = sort map { "$owner:$_" } "publication $name", "slot $name";
    my $want = join ' ', sort @want, "$back:subscription $name";

    return leftovers($shard) =~ /^$want$/;
}


# rows of a shard at both nodes, once the standby has a marker of now

sub same_rows {
    my ($shard) = @_;

    my $owner = $t->shard_record($shard)->{primary};
    my $marker = $pg{$owner}->sql("SELECT shard.marker($shard)");

    wait_for { $pg{other($shard)}->sql("SELECT pos FROM shard.stats($shard)")
               >= $marker } 30, "shard $shard: the standby follows";

    my ($one, $two) = map {
        $pg{$_}->sql("SELECT * FROM shard.digest($shard, false) ORDER BY "
                     . 'part, items, hash')
    } sort keys %pg;

    return $one eq $two && $one ne '';
}


# ownership is the database's own matter, whoever writes

$pg{$_}->sql('CREATE TABLE bill (id int, shard int, cents int, '
             . 'PRIMARY KEY (shard, id))',
             q{SELECT shard.install('bill', 'shard')}) for sort keys %pg;

sub refused {
    my ($name, @sql) = @_;

    my $out = $pg{$name}->fails(@sql);
    return $out =~ /SH421/ ? 'SH421' : $out =~ /40001/ ? '40001' : $out;
}

my $bill = $t->shard_record(4)->{primary};

$pg{$bill}->sql('INSERT INTO bill SELECT g, 4, g FROM '
                . 'generate_series(1, 12000) g');
is(refused(other(4), 'INSERT INTO bill VALUES (0, 4, 7)'), 'SH421',
   'a standby\'s database takes no rows');
is(refused($bill, 'BEGIN', q{SET LOCAL shard.epoch = '9'},
           'INSERT INTO bill VALUES (0, 4, 7)'), 'SH421',
   'nor does an owner of another epoch');
is(refused($bill, 'UPDATE bill SET shard = 77 WHERE shard = 4 AND id = 1'),
   'SH421', 'nor may one be given to a shard of others');
like($pg{$bill}->fails('TRUNCATE bill'), qr/would empty every shard/,
     'TRUNCATE is refused');


# roles and holds of a shard that nobody moves: in SQL, and by the node's HTTP

sub ask {
    my ($method, $path, $role, $epoch) = @_;

    my $answer = HTTP::Tiny->new()->request($method,
        "http://$t->{nodes}{n1}{addr}/_shard/9/$path",
        { content => $role ? encode_json({ role => $role, epoch => $epoch })
                           : '' });
    return $answer->{status};
}

sub held { return $pg{n1}->sql('SELECT held FROM shard.stats(9)') }

is(ask('PUT', 'role', 'primary', 3), 200, 'made primary');
is($pg{n1}->sql("SELECT shard.role(9, 'primary', 3)"), 0, 'the same again');
like($pg{n1}->fails("SELECT shard.role(9, 'primary', 2)"), qr/SH409.*older/,
     'an older epoch');

for my $role (qw/ standby none /) {
    like($pg{n1}->fails("SELECT shard.role(9, '$role', 3)"),
         qr/SH409.*only a greater one/, "$role at a primary's own epoch");
    is(ask('PUT', 'role', $role, 3), 409, '... by HTTP');
}

is(ask('POST', 'hold?epoch=2'), 409, 'hold: not of another epoch');
is(ask('POST', 'hold?epoch=3'), 204, 'hold');
is(held(), 't', '... is kept');
is(ask('PUT', 'role', 'primary', 3), 200, 'the same role again');
is(held(), 't', '... keeps it');
is(ask('PUT', 'role', 'standby', 4), 200, 'sealed by a greater epoch');
is(held(), 'f', '... which ends the hold');
is(ask('PUT', 'role', 'none', 4), 200, 'a standby gives up at its own');


# back and forth under load: the application's own table moves as well

migrator('m1', conf => "timeouts:\n  check: 2s\n");
$t->start_nginx();
wait_for { $t->api('')->{version} >= 1 } 20, 'the table in nginx';
$t->start_load(rate => 150);
$t->wait_served(100);

my (@holds, $m, $id);

for my $round (1 .. 2) {
    for my $shard (0, 1, 4) {
        $id = decide($shard, other($shard));
        $m = ended($id);
        is($m->{phase}, 'done', "shard $shard, move $round")
            or diag explain $m;
        ok(only_way_back($shard, $id, $m->{to}),
           "shard $shard, move $round: nothing but its way back is left")
            or diag leftovers($shard);
        push @holds, $m->{hold_ms};
    }
}

is($m->{driver}, 'postgres', 'its record names the driver');
is($m->{copies}, 0, 'a way back to a standby needs no copy');
is(refused(other(4), 'DELETE FROM bill WHERE shard = 4'), 'SH421',
   'a former owner refuses');


# a transaction that read before the seal must not write after it

my $owner = $t->shard_record(4)->{primary};
my $old = $pg{$owner}->session();

$old->say('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM bill;');
is($old->answer(), '12000', 'a snapshot of before the move');
is(move(4)->{phase}, 'done', '... which does not wait for readers');
$old->say('INSERT INTO bill VALUES (0, 4, 7);');
like($old->answer(), qr/40001|SH421/, '... cannot write with it');
$old->end();


# killed at the worst places, resumed by another

migrator('m2');

for my $point (qw/ copy:after warm-up:after final-sync:after verify:after
                   commit:after release:after /)
{
    my $shard = $point =~ /copy/ ? 2 : 3;
    my ($name, $from, $to) = ("killed-$point", $t->shard_record($shard)
                              ->{primary}, other($shard));
    $name =~ s/:/-/;

    $t->process($_)->signal('STOP') for qw/ m1 m2 /;

    my $doomed = migrator($name, env => { SHARD_MIGRATOR_CRASH => $point });
    $doomed->{asked} = 1;

    $id = decide($shard, $to);
    wait_for { !$doomed->alive() } 30, "the migrator's end in $point";
    $t->process($_)->signal('CONT') for qw/ m1 m2 /;

    $m = ended($id);
    my $late = $point =~ /final|verify/ ? qr/^(done|rolled-back)$/ : qr/^done$/;
    like($m->{phase}, $late, "$point: ends $m->{phase}") or diag explain $m;

    ok($m->{phase} eq 'done' ? only_way_back($shard, $id, $to)
                             : leftovers($shard) !~ /$id/,
       "$point: nothing is left behind") or diag leftovers($shard);
    is($pg{$m->{phase} eq 'done' ? $to : $from}->sql(
           "SELECT role FROM shard.owner WHERE shard = $shard"), 'primary',
       "$point: the database knows its owner");
}


# a slot of the way back that somebody dropped, and a row that differs: who
# takes over in the hold, or shortly before, finds both

sub stopped_at {
    my ($point, $shard) = @_;

    $t->process($_)->signal('STOP') for qw/ m1 m2 /;

    my $doomed = migrator("stopped-$shard", env => {
        SHARD_MIGRATOR_CRASH => $point });
    $doomed->{asked} = 1;

    my $id = decide($shard, other($shard));
    wait_for { !$doomed->alive() } 30, "the migrator's end in $point";
    return $id;
}

sub goes_on {
    my ($id) = @_;

    $t->process($_)->signal('CONT') for qw/ m1 m2 /;
    return ended($id);
}

$id = stopped_at('final-sync:after', 3);
$pg{other(3)}->sql('SELECT pg_drop_replication_slot(slot_name) FROM '
                   . 'pg_replication_slots WHERE slot_name LIKE '
                   . "'%${id}_r'");
$m = goes_on($id);
like($m->{phase}, qr/^(done|rolled-back)$/, "no slot: ends $m->{phase}");
ok($m->{phase} eq 'done' ? only_way_back(3, $id, $m->{to})
                         : leftovers(3) !~ /$id/,
   'no slot: nothing is left behind') or diag leftovers(3);

$id = stopped_at('warm-up:after', 4);

my ($here, $there) = ($t->shard_record(4)->{primary}, other(4));
my $cents = 'SELECT cents FROM bill WHERE shard = 4 AND id = 1';

$pg{$here}->sql('UPDATE bill SET cents = 7 WHERE shard = 4 AND id = 1');
wait_for { $pg{$there}->sql($cents) eq '7' } 30, 'it arrives';
$pg{$there}->sql('SET session_replication_role = replica',
                 'UPDATE bill SET cents = -1 WHERE shard = 4 AND id = 1');
$m = goes_on($id);
is($m->{phase}, 'rolled-back', 'a row that differs: no commit');
like($m->{error}, qr/^verify: .*data differ/, '... and why');
$pg{$here}->sql('UPDATE bill SET cents = 8 WHERE shard = 4 AND id = 1');
wait_for { $pg{$there}->sql($cents) eq '8' } 30, 'the standby follows again';
is(move(4)->{phase}, 'done', '... and takes over when it is mended');


# what a migration left that ended when nobody could clean up behind it

my $stray = $pg{n1}->sql("SELECT pubname FROM pg_publication LIMIT 1");
$stray =~ s/_\d+_[0-9a-f]{16}_.$/_5_00000000deadbeef_f/;
$pg{$t->shard_record(5)->{primary}}->sql(
    "SELECT shard.publish('$stray', 5)",
    "SELECT pg_create_logical_replication_slot('$stray', 'pgoutput')");
$id = decide(5, other(5));
is(ended($id)->{phase}, 'done', 'a move finds strays');
ok(only_way_back(5, $id, $t->shard_record(5)->{primary}), '... and drops them')
    or diag leftovers(5);


# wanted back before the commit

$t->process($_)->stop() for qw/ m1 m2 /;
migrator('m3', hold => '1s', conf => "timeouts:\n  check: 2s\n");

for my $fault (qw/ hold warm-up /) {
    my $shard = $fault eq 'hold' ? 0 : 1;
    my $lock = $pg{$t->shard_record($shard)->{primary}}->session();

    # a write that does not end keeps the seal waiting, and one that began
    # before it the comparison

    $lock->say($fault eq 'hold'
               ? "SELECT pg_advisory_lock_shared(shard.lock($shard));"
               : 'BEGIN; SELECT pg_current_xact_id();');
    $lock->answer();
    $id = decide($shard, other($shard));

    if ($fault eq 'warm-up') {
        wait_for { (migration($id)->{phase} || '') eq $fault } 30, $fault;
        $r->command('HSET', $t->key("migration:$id"), 'wish', 'rollback');
    }

    $m = ended($id);
    $lock->end();

    is($m->{phase}, 'rolled-back', "$fault: rolled back: $m->{error}");
    unlike(leftovers($shard), qr/$id/, "$fault: nothing of it is left");
    is($pg{$m->{from}}->sql("SELECT role, touching FROM shard.owner WHERE "
                            . "shard = $shard"), 'primary|f',
       "$fault: the source serves on");
}

$id = decide(1, other(1));
is(ended($id)->{phase}, 'done', 'the standby was level still');
is(migration($id)->{copies}, 0, '... and needed no copy');


# the loader's own account, and every row of both servers

my $report = $t->end_load();
$t->load_is_clean($report, 'load');

for my $shard (0 .. 5) {
    ok(same_rows($shard), "shard $shard: owner and standby hold the same");
}


# the new owner's server dies at the commit: the way back begins all the same
# where it must

my $new = other(3);

$id = decide(3, $new);
wait_for { (migration($id)->{trail} || '') =~ /\bcommit\@/ } 30, 'commit';
$pg{$new}->kill9();
$pg{$new}->again();
is(ended($id)->{phase}, 'done', 'a server that crashes at the commit');
ok(same_rows(3), '... and its standby follows');
is(ended(decide(3, other(3)))->{phase}, 'done', '... and takes over again');


# an owner that dies, and comes back when it is none any more

my $dead = $t->shard_record(5)->{primary};
my $heir = other(5);

$pg{$dead}->kill9();
$id = decide(5, $heir, 'promote');
is(ended($id)->{phase}, 'done', 'a standby is promoted') or diag explain $m;
is($pg{$heir}->sql('SELECT role FROM shard.owner WHERE shard = 5'), 'primary',
   '... and its database knows');

$pg{$dead}->again();
wait_for { $pg{$dead}->sql('SELECT role FROM shard.owner WHERE shard = 5')
           eq 'standby' } 30, 'the former owner is told';
wait_for { leftovers(5) eq '' } 10, 'nothing that joined them is left';
pass('... and its former owner is told, and feeds nobody');


# what must be true first: refused with the reason and the way out

sub is_refused {
    my ($what, $like) = @_;

    my $bad = move(5);
    is($bad->{phase}, 'rolled-back', "$what: refused");
    like($bad->{error}, $like, "$what: and why");
}

my $source = $pg{$t->shard_record(5)->{primary}};

$source->sql('ALTER TABLE bill DISABLE TRIGGER shard_guard');
is_refused('no guard', qr/table public\.bill has no guard that fires/);
$source->sql('ALTER TABLE bill ENABLE TRIGGER shard_guard',
             'ALTER TABLE bill REPLICA IDENTITY NOTHING');
is_refused('identity', qr/public\.bill has no replica identity with its sh/);
$source->sql('ALTER TABLE bill REPLICA IDENTITY DEFAULT',
             'ALTER TABLE bill ADD COLUMN paid int');
is_refused('another table', qr/differ in tables or collation/);
$source->sql('ALTER TABLE bill DROP COLUMN paid');

$source->set(max_slot_wal_keep_size => -1);
$source->set(wal_level => 'replica');
$source->set(max_replication_slots => 8);
$pg{$_}->sql("DO \$\$ BEGIN PERFORM pg_drop_replication_slot(slot_name) FROM "
             . 'pg_replication_slots WHERE NOT active; END $$')
    for sort keys %pg;
give_up($_) for 0 .. 5;
$source->restart();
is_refused('configuration', qr/wal_level\ is\ replica.*
                               max_slot_wal_keep_size\ is\ -1/x);


# a standby that is given up: not a slot, publication or subscription more

sub give_up {
    my ($shard) = @_;

    my $node = other($shard);
    my $epoch = $t->shard_record($shard)->{epoch};

    for my $s (grep { /subscription \S+_${shard}_[0-9a-f]{16}_/ }
               split /\n/, $pg{$node}->leftovers())
    {
        my ($name) = $s =~ /(\S+)$/;
        $pg{$node}->sql("ALTER SUBSCRIPTION $name DISABLE",
                        "ALTER SUBSCRIPTION $name SET (slot_name = NONE)",
                        "DROP SUBSCRIPTION $name");
        my $pg = $pg{$node eq 'n1' ? 'n2' : 'n1'};
        wait_for { $pg->sql('SELECT count(pg_terminate_backend(active_pid)) '
                            . 'FROM pg_replication_slots WHERE active AND '
                            . "slot_name = '$name'") eq '0' } 10, 'idle';
        $pg->sql("SELECT pg_drop_replication_slot('$name')",
                 "DROP PUBLICATION $name");
    }
}

@holds = sort { $a <=> $b } @holds;
diag "held for @holds ms";

$t->process('m3')->stop();
$t->finish();
$_->end() for values %pg;

done_testing();

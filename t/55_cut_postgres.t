#!/usr/bin/perl

# Shards of the driver "postgres" that are split and merged in place, under
# load: nothing fails or is lost, each row is in one shard, whatever dies.

use warnings;
no warnings 'portable';
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use ShardTest;
use ShardTest::Postgres;

my $t = ShardTest->new(shards => 2);
my %pg = map { $_ => ShardTest::Postgres->start(name => $_) } qw/ n1 n2 /;
my @holds;

$t->start_redis();
$t->start_node($_, store => $pg{$_}->url()) for sort keys %pg;

# both on one node: what is split or merged is of one database

$t->seed(place => sub { 'n1' }, record => { standbys => [] });

my $conf = $t->migrator_conf('m', "timeouts:\n    check: 5s\n"
    . "driver: postgres\npostgres:\n    nodes:\n"
    . join('', map { "        $_: \"" . $pg{$_}->conninfo() . "\"\n" } sort keys %pg)
    . "    tables:\n        shardkv.kv: shard\n        shardkv.entry: shard\n"
    . "hold:\n    timeout: 4s\n");


# the migration of a command, when it has ended: by whoever lives

sub act {
    my (@args) = @_;

    my ($status, $out, $err) = $t->try_ctl('--json', @args, '--wait', '--timeout', '60s');
    my $end = $out =~ /^\{/ ? $t->migration(decode_json($out)->{id}) : { phase => "none: $err" };

    push @holds, $end->{hold_ms} if $end->{phase} eq 'done';
    return $end;
}

sub is_done {
    my (@args) = @_;

    my $end = act(@args);
    is($end->{phase}, 'done', "@args") or diag($end->{error});
}


# by a migrator that is well

sub plainly {
    my (@args) = @_;

    my $m = $t->one_migrator($conf);
    is_done(@args);
    $t->end_migrator($m);
}


# each row in one shard of those that are, nothing left over

sub is_whole {
    my ($what) = @_;

    my $ids = join ',', $t->shards_in_order();
    my $left = $pg{n1}->sql(
        "SELECT 'stray ' || count(*) FROM shardkv.kv WHERE shard NOT IN ($ids) HAVING count(*) > 0",
        "SELECT 'stray entry ' || count(*) FROM shardkv.entry WHERE shard NOT IN ($ids) HAVING count(*) > 0",
        "SELECT 'twice ' || encode(key, 'escape') FROM shardkv.kv GROUP BY key HAVING count(DISTINCT shard) > 1",
        "SELECT 'entries twice ' || encode(key, 'escape') FROM shardkv.entry GROUP BY key HAVING count(DISTINCT shard) > 1",
        "SELECT 'owner ' || shard || role FROM shard.owner WHERE (role = 'primary') <> (shard IN ($ids))",
        "SELECT 'touching ' || shard FROM shard.owner WHERE touching",
        "SELECT 'cut ' || target FROM shard.cut", "SELECT 'carried ' || pk FROM shard.carried");

    is($left, '', "$what: each row is in its shard alone");
}


$t->start_nginx();
wait_for { $t->api('')->{version} >= 1 } 20, 'the table in nginx';

# what another program has there, by a key of its own

$pg{n1}->sql('CREATE TABLE bill (id bigserial, shard int, customer text, cents int, PRIMARY KEY (shard, id))',
             "SELECT shard.install('bill', 'shard')");

$t->start_load(rate => 150, options => [ '--keys', 60, '--queues', 10 ]);
$t->wait_served(150);


# refused with the reason, and the way out

my ($low, $high) = $t->shards_in_order();
my $m = $t->one_migrator($conf);

sub is_refused {
    my ($like, @args) = @_;

    # the same wish is the same migration, which may have been refused before

    my $id = $t->ctl(@args)->{id};
    wait_for { my $m = $t->migration($id); ($m->{phase} // '') eq 'rolled-back' && $m->{error} =~ $like } 60,
             "@args: refused";
    like($t->migration($id)->{error}, $like, "@args: refused, and why");
}

is_refused(qr/which column of table public\.bill has the key: SELECT shard\.install/, 'split', $low);
$pg{n1}->sql("SELECT shard.install('bill', 'shard', 'customer')",
             'CREATE UNIQUE INDEX bill_id ON bill (id)');
is_refused(qr/bill_id is unique without the column shard/, 'split', $low);
$pg{n1}->sql('DROP INDEX bill_id',
             "SELECT shard.install('bill', 'shard')");

my @customers = map { "customer-$_" } 1 .. 400;
my %home = map { ($_ => $t->ctl('locate', $_)->{shard}) } @customers[0 .. 49];
my $values = join ',', map { "($home{$_}, '$_', 7)" } sort keys %home;

$pg{n1}->sql("INSERT INTO bill (shard, customer, cents) VALUES $values");


# in place, and together again

is_done('split', $low);
is(scalar(my @three = $t->shards_in_order()), 3, 'three shards');
is($pg{n1}->sql("SELECT count(*) FROM shard.stats($three[1]) WHERE role = 'primary' AND epoch = 2"), 1,
   'the new one has a primary');
cmp_ok($pg{n1}->sql("SELECT count(*) FROM shardkv.kv WHERE shard = $three[1]"), '>', 0, '... and rows');
$t->wait_served(50);
is_whole('split');

my @strange = grep { my ($shard, $customer) = split /\|/; $t->ctl('locate', $customer)->{shard} != $shard }
              split /\n/, $pg{n1}->sql('SELECT shard, customer FROM bill');
is_deeply(\@strange, [], 'other tables\' rows are where their keys are');
is($pg{n1}->sql('SELECT count(*) FROM bill'), 50, '... all of them');

is_done('merge', @three[0, 1]);
is(scalar(my @two = $t->shards_in_order()), 2, 'two shards');
$t->wait_served(50);
is_whole('merge');


# a row that both have by one primary key, a merge would lose

is_done('split', $low);
@three = $t->shards_in_order();
$pg{n1}->sql("INSERT INTO bill (id, shard, customer, cents) VALUES (7777, $_, 'nobody', 1)") for @three[0, 1];
is_refused(qr/has a key that is not of this shard|is in shard \d+ and in shard/, 'merge', @three[0, 1]);
$pg{n1}->sql('DELETE FROM bill WHERE id = 7777');
is_done('merge', @three[0, 1]);
is_whole('merged after all');
$t->end_migrator($m);


# killed in each phase, before or behind its work; another one ends it

sub killed {
    my ($where, @args) = @_;

    my $last = $t->killed_at($conf, $where, @args);

    like("$last->{phase} $last->{busy}", $where =~ /hold|drain|final|verify/ ? qr/^(done|rolled-back) 0$/ : qr/^done 0$/,
         "@args[0, 1], killed at $where: $last->{phase}") or diag($last->{error});
    is_whole("@args[0, 1] at $where");
    return $last->{phase} eq 'done';
}

my $after = 0;

for my $phase (qw/ check copy catch-up hold drain final-sync verify commit release standby /) {
    my $where = $after++ % 2 ? "$phase:after" : $phase;
    my $other = $after % 2 ? "$phase:after" : $phase;

    plainly('split', $low) if !killed($where, 'split', $low);
    @three = $t->shards_in_order();
    plainly('merge', @three[0, 1]) if !killed($other, 'merge', @three[0, 1]);
}


# elsewhere: the new shard moves then, and moves back before it is joined; the
# servers must be alike, and what is not among the tables that move is empty

$pg{n1}->sql('DELETE FROM bill');
$pg{n2}->sql('CREATE TABLE bill (id bigserial, shard int, customer text, cents int, PRIMARY KEY (shard, id))',
             "SELECT shard.install('bill', 'shard', 'customer')");
$m = $t->one_migrator($conf);
is_done('split', $low, '--to', 'n2');
is($t->records()->{($t->shards_in_order())[1]}{primary}, 'n2', 'split to another node: then moved');
$t->wait_served(50);
is_done('merge', ($t->shards_in_order())[0, 1]);
$t->end_migrator($m);
is_whole('merged from another node');

is(scalar($t->shards_in_order()), 2, 'two shards at the end');


# what a migrator that slept still sends: of another copy, epoch or claim

sub sh409 { my ($like, $what, @sql) = @_; like($pg{n2}->fails(@sql), qr/SH409.*$like/s, $what) }

$pg{n2}->sql("SELECT shard.role(900, 'standby', 5)", "SELECT shard.role(901, 'primary', 3)");
my $run = $pg{n2}->sql('SELECT shard.cut_begin(901, 900, 0, 5, 0)');
my $next = $pg{n2}->sql('SELECT shard.cut_begin(901, 900, 0, 5, 0)');
my $carry = q{'shardkv.kv', '[]', '[]', '{}'};

sh409('takes no rows of this copy', 'a copy that was begun again', "SELECT shard.carry(900, $run, $carry)");
is($pg{n2}->sql("SELECT shard.carry(900, $next, $carry)"), 0, '... goes on by its last number');
sh409('takes no copy', 'an epoch that is over', 'SELECT shard.cut_begin(901, 900, 0, 4, 0)');
$pg{n2}->sql("SELECT shard.role(900, 'primary', 6)");
sh409('takes no rows of this copy', 'a primary takes no copy', "SELECT shard.carry(900, $next, $carry)");
$pg{n2}->sql('SELECT shard.cut_begin(901, 900, 6, 6, 8)');
sh409('claimed by somebody else', 'who lost the claim begins none', 'SELECT shard.cut_begin(901, 900, 6, 6, 7)');
sh409('claimed by somebody else', '... and drops nothing', "SELECT shard.cut_drop(900, 6, 7, 'shardkv.kv', '[]')");
is($pg{n2}->sql("SELECT shard.cut_drop(900, 6, 8, 'shardkv.kv', '[]')"), 0, '... as its holder does');

my $report = $t->end_load();
$t->load_is_clean($report, 'load');
diag("held for @{[ sort { $a <=> $b } @holds ]} ms");

$t->finish();
$_->end() for values %pg;

done_testing();

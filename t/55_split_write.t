#!/usr/bin/perl

# Shards of strategy copy-on-write are cut where they lie, and what is to be on
# another node gets there by a move of its own, which is decided by then and
# made whoever dies in between.  Load's own ledger says that nothing is lost.

use warnings;
no warnings 'portable';
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP;
use Test::More;

use ShardTest;

my $t = ShardTest->new(shards => 2);
my $n = 0;

$t->start_redis();
$t->start_nodes(3);
$t->ctl('init', '--shards', 2, '--strategy', 'copy-on-write',
        map { ('--node', "$_=$t->{nodes}{$_}{addr},zone=z1,capacity=1000") } $t->node_names());
$t->start_nginx();
wait_for { $t->api('')->{version} >= 1 } 5, 'the table in nginx';
$t->start_load(rate => 150, options => [ '--keys', 80, '--mix', '50,50,0' ]);
$t->wait_served(150);

in_place();
chained();
with_standbys();
alone();
killed($_) for qw/ standby standby:after fill /;
killed_merge($_) for qw/ standby standby:after /;
taken_back();

$t->load_is_clean($t->end_load(), 'load');
apart();
queues();

$t->finish();
done_testing();


sub home { return $t->records()->{$_[0]}{primary} }


sub away {
    my ($shard, @but) = @_;

    my %not = map { $_ => 1 } home($shard), @but;
    return (grep { !$not{$_} } 'n1' .. 'n3')[0];
}


sub migrator {
    my (%args) = @_;

    my $name = 'm' . ++$n;
    return $t->start_daemon('shard-migrator', $name, $t->migrator_conf($name, "hold:\n    timeout: 4s"), %args);
}


# a decision by hand; the last migration that it was.  A hold that was too short
# for a busy machine is no failure of what is tested.

sub act {
    my ($what, @args) = @_;
    my ($status, $out, $err);

    for (1 .. 5) {
        ($status, $out, $err) = $t->try_ctl('--json', @args, '--wait', '--timeout', '120s');
        last if $err !~ /migration (\w+) ended as .*: not within \d+ ms/
                || $t->migration($1)->{by} !~ /^operator/;
        note("$what: $err");
    }

    is($status, 0, $what) or diag("$out$err");
    return decode_json($out || '{}');
}


sub steady {
    my ($want, $what) = @_;

    wait_for { !grep { $_->{migration} } values %{$t->records()} } 60, $what;
    is(scalar($t->shards_in_order()), $want, $what);
}



sub in_place {
    my $m = migrator();
    my ($low) = $t->shards_in_order();
    my $done = act('split in place', 'split', $low);
    my ($one, $two) = $t->shards_in_order();

    like($t->migration($done->{id})->{trail}, qr/check@\d+ copy@\d+ catch-up@\d+ hold@\d+ drain/, 'in place: as log-shipping');
    is(home($two), home($one), 'in place: the child inherits the node');
    is($t->records()->{$_}{epoch}, 2, "in place: epoch of $_") for $one, $two;
    is($t->migration($done->{id})->{next}, '', 'in place: nothing follows');
    $t->wait_served(80);

    $done = act('merge on one node', 'merge', $one, $two);
    is($done->{id}, $done->{migration}{id}, 'merge on one node: at once');
    steady(2, 'two shards again');
    $t->end_migrator($m);
}


sub chained {
    my $m = migrator();
    my ($low) = $t->shards_in_order();
    my $from = home($low);
    my $to = away($low);
    my (undef, $out) = $t->try_ctl('split', $low, '--to', $to, '--dry-run');

    like($out, qr/its keys to $to by a move after it/, 'what would be is told');

    my $done = act("split to $to", 'split', $low, '--to', $to);
    my $split = $t->migration($done->{id});
    my $move = $t->migration($done->{migration}{id});
    my $child = ($t->shards_in_order())[1];

    is("$split->{verb} $split->{from} $split->{to} $split->{phase}", "split $from $from done", 'it is split where it lies');
    is($split->{next}, $done->{migration}{id}, 'and what follows is awaited');
    is("$move->{verb} $move->{shard} $move->{from} $move->{to} $move->{phase}", "move $child $from $to done",
       'the new shard moves');
    like($move->{trail}, qr/freeze@\d+ settle@\d+ switch@\d+ fill@\d+ hold/, 'copy-on-write');
    is(home($child), $to, "the new one is on $to");
    is($t->records()->{$child}{epoch}, $t->records()->{$low}{epoch} + 2, 'by a move, two epochs on');
    is(scalar(grep { $_->{id} eq $split->{next} } @{ $t->ctl('migrations')->{migrations} }), 1,
       'it is in "shardctl migrations"');
    $t->wait_served(80);

    # and back: the one that goes moves first

    $done = act('merge of two nodes\' shards', 'merge', $low, $child);
    $move = $t->migration($done->{id});

    is("$move->{verb} $move->{shard} $move->{from} $move->{to}", "move $child $to $from", 'it moves first');
    is($done->{migration}{verb}, 'merge', 'then they are joined');
    is(home($low), $from, 'where the one was that stays');
    steady(2, 'two shards');
    $t->end_migrator($m);
}


# the new shard gets a standby where the shard had one, when it has moved

sub with_standbys {
    my $m = migrator();
    my ($low) = $t->shards_in_order();
    my $was = home($low);
    my $stays = away($low);

    act("move to $stays", 'migrate', $low, $stays);
    is_deeply($t->records()->{$low}{standbys}, [ $was ], 'the shard has a standby');

    my $to = away($low, $was);
    act("split to $to", 'split', $low, '--to', $to);

    my $child = ($t->shards_in_order())[1];
    wait_for { @{ $t->records()->{$child}{standbys} || [] } == 2 } 60, 'standbys of the new shard';
    is_deeply([ sort @{ $t->records()->{$child}{standbys} } ], [ sort $was, $stays ],
              'the new shard has the shard\'s standby and its first node');
    wait_for { !grep { $_->{phase} !~ /^(done|rolled-back)$/ } @{ $t->ctl('migrations')->{migrations} } } 60,
        'nothing runs';

    act('merge with standbys', 'merge', $low, $child);
    steady(2, 'two shards after standbys');
    $t->end_migrator($m);
}


# two splits and a move

sub alone {
    my $m = migrator();
    my ($low) = $t->shards_in_order();
    my $key = (grep { $t->ctl('locate', $_)->{shard} == $low } map { "k$_" } 0 .. 79)[0];
    my $to = away($low);
    my $done = act("isolate $key", 'split', $low, '--around', $key, '--to', $to);

    is($done->{migration}{verb}, 'move', 'isolate: the last of three is awaited');

    my $shard = $t->ctl('locate', $key)->{shard};

    is(home($shard), $to, 'isolate: the key is there');
    steady(4, 'isolate: four shards');

    my @ids = $t->shards_in_order();

    act("merge of $ids[0] and $_", 'merge', $ids[0], $_) for @ids[1, 2];
    steady(2, 'isolate: two again');
    $t->end_migrator($m);
}


# between the cut and the move, before what follows is decided and behind it,
# or in the move

sub killed {
    my ($where) = @_;

    my $m = migrator(env => { SHARD_MIGRATOR_CRASH => $where });
    my ($low) = $t->shards_in_order();
    my $to = away($low);
    my $id = $t->ctl('split', $low, '--to', $to)->{id};

    $m->{asked} = 1;
    wait_for { !$m->alive() } 60, "killed at $where";
    is(scalar($t->shards_in_order()), 3, "$where: it is split");

    my $child = ($t->shards_in_order())[1];
    isnt(home($child), $to, "$where: and has not moved");

    $m = migrator();
    wait_for { home($child) eq $to && !$t->records()->{$child}{migration} } 60, "$where: the new shard's move";
    is(scalar(grep { $_->{verb} eq 'move' && $_->{shard} == $child } @{ $t->ctl('migrations')->{migrations} }), 1,
       "$where: another one makes it, once");
    wait_for { ($t->migration($id)->{phase} // '') eq 'done' } 60, "$where: the end of the split";
    wait_for { ($t->migration($t->migration($id)->{next})->{phase} // '') eq 'done' } 60, "$where: and of the move";
    $t->wait_served(40);

    act("$where: merge after it", 'merge', $low, $child);
    $t->end_migrator($m);
}


# between the move and the merge

sub killed_merge {
    my ($where) = @_;

    my $m = migrator();
    my ($low) = $t->shards_in_order();

    act("$where: split", 'split', $low, '--to', away($low));
    $t->end_migrator($m);

    my $child = ($t->shards_in_order())[1];

    $m = migrator(env => { SHARD_MIGRATOR_CRASH => $where });
    $t->ctl('merge', $low, $child);
    $m->{asked} = 1;
    wait_for { !$m->alive() } 60, "merge: killed at $where";
    is(home($child), home($low), "$where: it has moved");

    $m = migrator();
    steady(2, "$where: another one joins them") if eval { wait_for { $t->shards_in_order() == 2 } 60, 'the merge' };
    is(scalar($t->shards_in_order()), 2, "$where: joined");
    $t->end_migrator($m);
}


# what is taken back has nothing behind it

sub taken_back {
    my $m = migrator(env => { SHARD_MIGRATOR_CRASH => 'catch-up' });
    my ($low) = $t->shards_in_order();
    my $id = $t->ctl('split', $low, '--to', away($low))->{id};

    $m->{asked} = 1;
    wait_for { !$m->alive() } 60, 'killed in catch-up';
    $t->ctl('rollback', $id);
    $m = migrator();
    wait_for { ($t->migration($id)->{phase} // '') eq 'rolled-back' } 60, 'the way back';
    steady(2, 'taken back: two shards');
    is_deeply($t->migration($t->migration($id)->{next}), {}, 'taken back: nothing follows');
    $t->end_migrator($m);
}


# each key is at the primary of one shard, and nowhere else

sub apart {
    my $rec = $t->records();
    my (%home, @twice);

    for my $id (keys %$rec) {
        my $addr = $t->{nodes}{ $rec->{$id}{primary} }{addr};
        my $got = HTTP::Tiny->new(timeout => 10)->get("http://$addr/_shard/$id/snapshot");
        my @keys = map { decode_json($_)->{k} // () } split /\n/, $got->{content};

        push @twice, grep { defined $home{$_} } @keys;
        $home{$_} = $id for @keys;
    }

    is("@twice", '', 'no key in two shards');
    cmp_ok(scalar keys %home, '>', 20, '... of many');
}


# what could not move is not cut in order to be moved

sub queues {
    my $m = migrator();
    my ($low) = $t->shards_in_order();
    my ($key) = grep { $t->ctl('locate', $_)->{shard} == $low } map { "q$_" } 1 .. 200;

    is($t->request('POST', "/queue/$key", 'x', 'X-Key' => $key)->{status}, 200, 'a queue has an entry');

    my ($status, undef, $err) = $t->try_ctl('split', $low, '--to', away($low), '--wait');

    is($status, 1, 'queues: to another node it is not split');
    like($err, qr/1 entries in queues/, 'queues: it says why');
    act('queues: in place it is', 'split', $low);
    steady(3, 'queues: three shards');
    $t->end_migrator($m);
}

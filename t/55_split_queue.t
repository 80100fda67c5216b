#!/usr/bin/perl

# A queue's shard is split and joined again, in place and between nodes, while
# its queues are appended to and consumed: each message is delivered once and
# in its order, whatever dies or is taken back.

use warnings;
no warnings 'portable';
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP;
use Test::More;

use ShardTest;
use ShardTest::Ledger;

my $t = ShardTest->new(shards => 2);
my $n = 0;

$t->start_redis();
$t->start_nodes(2);
$t->ctl('init', '--shards', 2, '--strategy', 'queue',
        map { ('--node', "$_=$t->{nodes}{$_}{addr},zone=z1,capacity=1000") } $t->node_names());
$t->start_nginx();
wait_for { $t->api('')->{version} >= 1 } 5, 'the table in nginx';

my $end = start_consumers($t);
$t->start_load(rate => 120, options => [ '--keys', 60, '--queues', 20, '--mix', '30,30,40' ]);
$t->wait_served(150);

for my $hold ('router', 'backend') {
    whole($hold);
    killed($hold, $_) for $hold eq 'router' ? qw/ consume:after final-sync:after / : qw/ consume:after release /;
    taken_back($hold);
}

$t->load_is_clean($t->end_load(), 'load');

my $report = $end->();
is_deeply($report->{failed}, [], "$report->{delivered} messages were delivered once, in order");
cmp_ok($report->{delivered}, '>', 50, '... many');
apart();

$t->finish();
done_testing();


sub migrator {
    my ($hold, %args) = @_;

    my $name = 'm' . ++$n;
    my $conf = $t->migrator_conf($name, "queue:\n    drain: 200ms\n    hold: $hold\nhold:\n    timeout: 4s");

    return $t->start_daemon('shard-migrator', $name, $conf, %args);
}


# a hold that was too short for a busy machine is no failure of what is tested

sub act {
    my ($what, @args) = @_;
    my ($status, $out, $err);

    for (1 .. 5) {
        ($status, $out, $err) = $t->try_ctl('--json', @args, '--wait', '--timeout', '120s');
        last if $err !~ /: not within \d+ ms/;
        note("$what: $err");
    }

    is($status, 0, $what) or diag("$out$err");
    return decode_json($out || '{}')->{migration} || {};
}


sub steady {
    my ($want, $what) = @_;

    my $rec = $t->records();
    my @held = grep { $_->{migration} || ($_->{phase} // 'steady') ne 'steady' } values %$rec;

    is(scalar(keys %$rec) . ' ' . @held, "$want 0", $what);
}


# in place, to another node, back from there and on the same one

sub whole {
    my ($hold) = @_;

    my $m = migrator($hold);
    my ($low) = $t->shards_in_order();
    my $home = $t->records()->{$low}{primary};
    my $away = $home eq 'n1' ? 'n2' : 'n1';
    my $done = act("$hold: split in place", 'split', $low);

    like($t->migration($done->{id})->{trail}, qr/catch-up@\d+ consume@\d+ hold@/, "$hold: its consumers come first");

    my $child = ($t->shards_in_order())[1];
    is($t->records()->{$child}{primary}, $home, "$hold: the child inherits the node");
    $t->wait_served(60);

    act("$hold: split to $away", 'split', $child, '--to', $away);
    my $far = ($t->shards_in_order())[2];
    is($t->records()->{$far}{primary}, $away, "$hold: the new one is there");
    $t->wait_served(60);

    act("$hold: merge of two nodes' shards", 'merge', $child, $far);
    is($t->records()->{$child}{primary}, $home, "$hold: the one that stays is where it was");
    $t->wait_served(60);

    act("$hold: merge on one node", 'merge', $low, $child);
    steady(2, "$hold: two shards again");
    $t->end_migrator($m);
}


# killed -9 at the point; the next one ends what was begun

sub killed {
    my ($hold, $point) = @_;

    my $m = migrator($hold, env => { SHARD_MIGRATOR_CRASH => $point });
    my ($low) = $t->shards_in_order();
    my $id = $t->ctl('split', $low, '--to', $t->records()->{$low}{primary} eq 'n1' ? 'n2' : 'n1')->{id};

    $m->{asked} = 1;
    wait_for { !$m->alive() } 60, "killed at $point";
    $m = migrator($hold);
    wait_for { ($t->migration($id)->{phase} // '') =~ /^(done|rolled-back)$/ } 60, "the end of a split killed at $point";

    # within the hold it depends on how much of its time is left

    my $phase = $t->migration($id)->{phase};

    $point =~ /^final/ ? like($phase, qr/^(done|rolled-back)$/, "$hold: killed at $point")
                       : is($phase, 'done', "$hold: killed at $point");
    steady($phase eq 'done' ? 3 : 2, "$hold: killed at $point, nothing is held");
    $t->wait_served(40);

    act("$hold: merge after it", 'merge', ($t->shards_in_order())[0, 1]) if $phase eq 'done';
    $t->end_migrator($m);
}


# behind consume, where the source may have been told to deliver nothing

sub taken_back {
    my ($hold) = @_;

    my $m = migrator($hold, env => { SHARD_MIGRATOR_CRASH => 'consume:after' });
    my ($low) = $t->shards_in_order();
    my $id = $t->ctl('split', $low)->{id};

    $m->{asked} = 1;
    wait_for { !$m->alive() } 60, "$hold: killed behind consume";
    $t->ctl('rollback', $id);
    $m = migrator($hold);
    wait_for { ($t->migration($id)->{phase} // '') eq 'rolled-back' } 60, "$hold: the way back";
    steady(2, "$hold: taken back, nothing is held");
    $t->wait_served(40);
    $t->end_migrator($m);
}


# each queue is at the primary of one shard, and nowhere else

sub apart {
    my $rec = $t->records();
    my (%home, @twice);

    for my $id (keys %$rec) {
        my $addr = $t->{nodes}{ $rec->{$id}{primary} }{addr};
        my $got = HTTP::Tiny->new(timeout => 10)->get("http://$addr/_shard/$id/snapshot");
        my %queue = map { (decode_json($_)->{q} // '') => 1 } split /\n/, $got->{content};

        push @twice, grep { length && defined $home{$_} } keys %queue;
        $home{$_} = $id for keys %queue;
    }

    is("@twice", '', 'no queue in two shards');
    cmp_ok(scalar keys %home, '>', 20, '... of many');
}

#!/usr/bin/perl

# Splits and merges whose migrator is killed in every phase, before and behind
# its work, or is told to roll back: another one ends them, and what clients
# were told is there, once and in order.

use warnings;
no warnings 'portable';
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use ShardTest;

my $t = ShardTest->new(shards => 2);

$t->start_redis();
$t->start_nodes(2);
$t->ctl('init', '--shards', 2,
        map { ('--node', "$_=$t->{nodes}{$_}{addr},zone=$t->{nodes}{$_}{zone},capacity=1000") } $t->node_names());
$t->start_nginx();
wait_for { $t->api('')->{version} >= 1 } 5, 'the table in nginx';
$t->start_load(rate => 150, options => [ '--keys', 40, '--queues', 10 ]);
$t->wait_served(150);

my $conf = $t->migrator_conf('m', "timeouts:\n    check: 5s");
my $n = 0;

sub records {
    my $all = $t->redis()->hash($t->key('table'));
    return { map { ($_ => decode_json($all->{$_})) } keys %$all };
}

sub ids { my $rec = records(); my @ids = sort { $rec->{$a}{lo} cmp $rec->{$b}{lo} } keys %$rec; return @ids }

sub ended {
    my ($id, $what) = @_;

    wait_for { ($t->migration($id)->{phase} // '') =~ /^(done|rolled-back)$/ } 60, $what;
    return $t->migration($id);
}

sub migrator {
    my (%args) = @_;

    my $name = 'm' . ++$n;
    my $m = $t->start_daemon('shard-migrator', $name, $conf =~ s/^name: .*/name: $name/mr, %args);

    $m->{asked} = 1;
    return $m;
}

sub ends { my ($m) = @_; $m->signal('TERM'); wait_for { !$m->alive() } 30, 'the migrator ends' }

# a migration by a migrator that is well: what a killed one left is made good

sub plainly {
    my (@args) = @_;

    my $m = migrator();
    my ($status, $out, $err) = $t->try_ctl(@args, '--wait', '--timeout', '60s');

    is($status, 0, "@args") or diag("$out$err");
    ends($m);
}

# the migration that "args" begin, by a migrator that dies where it is told
# to; whoever comes later than the hold lasts takes it back, or goes on

sub killed {
    my ($where, @args) = @_;

    my $m = migrator(env => { SHARD_MIGRATOR_CRASH => $where });
    my $id = $t->ctl(@args)->{id};

    wait_for { !$m->alive() } 60, "killed at $where";
    $m = migrator();

    my $end = ended($id, "the end of @args, killed at $where");
    my $rec = records();
    my @held = grep { $_->{migration} || ($_->{phase} // 'steady') ne 'steady' } values %$rec;

    is("$end->{phase} " . @held, $end->{trail} =~ /commit@/ || $where !~ /hold|drain|final|verify/ ? 'done 0' : 'rolled-back 0',
       "@args[0, 1], killed at $where: $end->{phase}") or diag($end->{error});
    ends($m);
    return $end->{phase} eq 'done';
}

for my $phase (qw/ check copy catch-up hold drain final-sync verify commit release standby /) {
    for my $where ($phase, "$phase:after") {
        my ($low) = ids();

        plainly('split', $low, '--to', 'n2') if !killed($where, 'split', $low, '--to', 'n2');
        is(scalar(my @three = ids()), 3, 'three shards');
        plainly('merge', @three[0, 1]) if !killed($where, 'merge', @three[0, 1]);
        is(scalar(my @two = ids()), 2, 'two again');
    }
}


# an operator's way back, where it can still be had

my ($low) = ids();
my $id = $t->ctl('split', $low, '--to', 'n2')->{id};

# the migration is there when somebody has read the decision, and not begun

my $m = migrator(env => { SHARD_MIGRATOR_CRASH => 'catch-up' });
wait_for { !$m->alive() } 60, 'killed';
$t->ctl('rollback', $id);
$m = migrator();
my $end = ended($id, 'a split that is taken back');
is($end->{phase}, 'rolled-back', 'taken back');
is(scalar(my @left = ids()), 2, 'and nothing has come of it');
ends($m);


# the other shard's claim may be left for longer than the shard's own

$m = migrator(env => { SHARD_MIGRATOR_CRASH => 'check:after' });
$id = $t->ctl('split', $low, '--to', 'n2')->{id};
wait_for { !$m->alive() } 60, 'killed behind the check';

my $into = 'shard:' . $t->migration($id)->{into};
my ($token, $holder, $until_ms) =
    split / /, $t->redis()->command('HGET', $t->key('claims'), $into);

$t->redis()->command('HSET', $t->key('claims'), $into,
                     "$token $holder " . ($until_ms + 1500));
$m = migrator();
$end = ended($id, 'a split whose new shard is claimed for longer');
is($end->{phase}, 'done', 'the claim of the other shard is waited for')
    or diag($end->{error});

my $report = $t->end_load();
$t->load_is_clean($report, 'load');

$t->finish();
done_testing();

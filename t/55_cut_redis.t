#!/usr/bin/perl

# Shards whose data are in Redis that are split and merged, in place and to
# other nodes, under load: nothing fails or is lost, each key is in one shard,
# counts are exact, standbys follow, whatever dies.

use warnings;
no warnings 'portable';
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use ShardTest;

my $t = ShardTest->new(shards => 2);
my @holds;

$t->start_redis();
$t->start_data_redis("d$_") for 1 .. 3;
$t->start_node("n$_", zone => "z$_", store => "redis://$t->{data}{qq{d$_}}") for 1 .. 3;
$t->seed(nodes => [ 'n1', 'n2' ]);
$t->start_nginx();
wait_for { $t->api('')->{version} >= 1 } 20, 'the table in nginx';

my %redis = map { ("n$_" => $t->data_redis("d$_")) } 1 .. 3;
my $conf = $t->migrator_conf('m', "timeouts:\n    check: 5s\ndriver: redis\ndata_redis:\n    nodes:\n"
    . join('', map { "        n$_: redis://$t->{data}{qq{d$_}}\n" } 1 .. 3) . "hold:\n    timeout: 4s\n");


# by whoever lives

sub is_done {
    my (@args) = @_;

    my ($status, $out, $err) = $t->try_ctl('--json', @args, '--wait', '--timeout', '60s');
    my $end = $out =~ /^\{/ ? $t->migration(decode_json($out)->{id}) : {};

    is($end->{phase}, 'done', "@args") or diag($end->{error} // "$out$err");
    push @holds, $end->{hold_ms} if $end->{hold_ms};
}

sub plainly { my $m = $t->one_migrator($conf); is_done(@_); $t->end_migrator($m) }

sub stats {
    my ($node, $shard) = @_;

    my %stats;
    @stats{qw/ ok role epoch position log_first items bytes depth rate held generation queued /}
        = @{ $redis{$node}->command('FCALL_RO', 'sharddata_stats', 1, "shardkv:{$shard}:") };
    return \%stats;
}


# name => bytes, by the index of the one generation that counts

sub index_of {
    my ($node, $shard) = @_;

    my $generation = stats($node, $shard)->{generation};
    return { @{ $redis{$node}->command('HGETALL', "shardkv:{$shard}:$generation:index") } };
}


# what it says it has, counted again.  The load goes on: until both agree

sub is_counted {
    my ($what, $node, $shard) = @_;

    my ($said, $found);

    my $counted = eval { wait_for {
        my ($was, $index) = (stats($node, $shard), index_of($node, $shard));
        my %sum = (items => 0, bytes => 0, queued => 0, depth => 0);

        for my $name (keys %$index) {
            my $key = "shardkv:{$shard}:$was->{generation}:$name";
            my $queue = $name =~ /^q/;
            my $len = $queue ? $redis{$node}->command('XLEN', $key) : 1;
            my $groups = $queue ? @{ $redis{$node}->command('XINFO', 'GROUPS', $key) } : 0;

            $sum{bytes} += $index->{$name};
            $sum{items} += $len;
            $sum{queued} += $len if $queue;
            $sum{depth} += $len * ($groups || 1) if $queue;
        }

        $found = join ' ', map { "$_ $sum{$_}" } sort keys %sum;
        $said = join ' ', map { "$_ $was->{$_}" } sort keys %sum;
        return $was->{position} != stats($node, $shard)->{position} ? 0 : $said eq $found;
    } 20, 'counts' };

    ok($counted, "$what: shard $shard counts what it has") or diag("says $said, has $found");
}


# each name is in one shard's primary, and no other shard has one

sub is_whole {
    my ($what) = @_;

    my $rec = $t->records();
    my (%home, @wrong);

    for my $node (sort keys %redis) {
        for my $shard (@{ $redis{$node}->command('SMEMBERS', 'shardkv:primaries') }) {
            push @wrong, "primary of $shard" if ($rec->{$shard}{primary} // '') ne $node;

            for my $name (keys %{ index_of($node, $shard) }) {
                push @wrong, "$name in $shard and $home{$name}" if defined $home{$name};
                $home{$name} = $shard;
            }
        }
    }

    for my $name ((sort keys %home)[0 .. 5]) {
        my $at = $t->ctl('locate', substr $name, 2)->{shard};
        push @wrong, "$name in $home{$name}, not $at" if $at != $home{$name};
    }

    is("@wrong", '', "$what: each key is in its shard alone");
}


$t->start_load(rate => 150, options => [ '--keys', 60, '--queues', 10 ]);
$t->wait_served(150);

my ($low, $high) = $t->shards_in_order();
my $m = $t->one_migrator($conf);

is_done('replicate', $low, 'n3');

# groups of consumers go with their queues, with what is pending

my @queues = grep { /^q/ } sort keys %{ index_of('n1', $low) };
my $take = sub { $redis{n1}->command('FCALL', 'sharddata_take', 1, "shardkv:{$low}:", '', '',
                                     substr($_[0], 2), 50000, $_[1], 'c', 2, 60000) };
for my $queue (@queues) { $take->($queue, $_) for qw/ g h / }
cmp_ok(scalar @queues, '>', 0, 'queues with groups');

sub pending {
    my $key = "shardkv:{$low}:" . stats('n1', $low)->{generation};
    return join ' ', map { $redis{n1}->command('XPENDING', "$key:$_", 'g')->[0] } @queues;
}

my $pending = pending();


# in place, to another node, and together again: from there, and here

is_done('split', $low);
is(scalar(my @three = $t->shards_in_order()), 3, 'three shards');
is($t->records()->{$three[1]}{primary}, 'n1', 'the new one is here');
$t->wait_served(100);
is_whole('split');
is_counted('split', 'n1', $_) for @three[0, 1];

is_done('split', $high, '--to', 'n3');
my @four = $t->shards_in_order();
is($t->records()->{$four[3]}{primary}, 'n3', 'the new one is at another node');
$t->wait_served(100);
is_whole('split to');
is_counted('split to', 'n3', $four[3]);
is_counted('split to', 'n2', $four[2]);

is_done('merge', @four[2, 3]);
is_done('merge', @three[0, 1]);
$t->wait_served(100);
is_whole('merged');
is_counted('merged', 'n1', $low);
is_counted('merged', 'n2', $high);

is(pending(), $pending, 'what was pending is');
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
    my @to = $after % 3 ? () : ('--to', 'n2');

    plainly('split', $low, @to) if !killed($where, 'split', $low, @to);
    @three = $t->shards_in_order();
    plainly('merge', @three[0, 1]) if !killed($other, 'merge', @three[0, 1]);
}

is(scalar($t->shards_in_order()), 2, 'two shards at the end');
is_counted('at the end', 'n1', $low);

my $report = $t->end_load();
$t->load_is_clean($report, 'load');


# the standby that low had all the time

$m = $t->one_migrator($conf);
wait_for { stats('n3', $low)->{position} == stats('n1', $low)->{position} } 30, 'the standby is level';
is_deeply(index_of('n3', $low), index_of('n1', $low), 'its standby has all of it');
$t->end_migrator($m);



# what a migrator that slept, or does not know better, is refused

sub call { my ($name, $shard, @args) = @_; return join ' ', @{ $redis{n1}->command('FCALL', "sharddata_$name", 1, "shardkv:{$shard}:", @args) } }

call('role', 900, 'standby', 5);
my ($run) = call('cut_begin', 900, 'split', 5, 70, $low) =~ /^ok (\d+)$/;
is(call('graft', 900, 'split', $run, 5, 70, 100, 'k:a', 2, 0, ''), 'ok 1', 'graft');
is(call('graft', 900, 'split', $run + 1, 5, 70, 100, 'k:a', 2, 0, ''), 'stale 70', '... of another run');
is(call('graft', 900, 'split', $run, 5, 69, 100, 'k:a', 2, 0, ''), 'stale 70', '... at another position');
is(call('graft', 900, 'split', $run, 4, 70, 100, 'k:a', 2, 0, ''), 'epoch 70', '... of an older epoch');
is(call('graft', 900, 'merge', $run, 5, 70, 100, 'k:a', 2, 0, ''), 'other 70', '... for a primary');
is(call('prune', 900, 5, 0, 100, 'k:a'), 'other 70', 'a standby gives up nothing');
is(call('role', 900, 'primary', 6), 'ok 70', 'it is primary');
is(call('graft', 900, 'split', $run, 6, 70, 100, 'k:a', 2, 0, ''), 'primary 70', '... and takes no copy');
is(call('imported', 900, $low), 'gone 0', '... and has no import');
my ($first) = call('cut_begin', 900, 'merge', 6, 33, $low, 7) =~ /^ok (\d+)$/;
is(call('imported', 900, $low), 'gone 0', 'an import that is not whole');
call('cut_begin', 900, 'merge', 6, 33, $low, 8);
is(call('reach', 900, 'merge', $first, 6, 33, 34), 'stale 70', 'one that was begun again');
is(call('reach', 900, 'merge', $first + 1, 6, 33, 34), 'ok 34', 'the last one');
is(call('imported', 900, $low), 'ok ' . ($first + 1) . ' 34', '... is whole');
is(call('cut_begin', 900, 'merge', 6, 33, $low, 7), 'claimed 70', 'who lost the claim begins no other');
is(call('prune', 900, 6, 7, 100, 'k:a'), 'claimed 70', '... and drops nothing');
is(call('prune', 900, 6, 8, 100, 'k:a'), 'ok 0', '... as its holder does');
call('cut_end', 900, $low);
is(call('imported', 900, $low), 'gone 0', '... and over');

diag("held for @{[ sort { $a <=> $b } @holds ]} ms");

$t->finish();
done_testing();

#!/usr/bin/perl

# What a move between two Redis costs: keys/s of the copy, of the verification
# and, over many moves under load, how long requests are held.
#
#     perl -It/lib bench/move_redis.pl [KEYS=300000] [MOVES=32] [FSYNC=always]
#
# Time depends on what else the machine does, CPU time of each server and of
# the migrator hardly does: with a core for each, the slowest one's is the
# bound.  What warm-up takes besides the verification, the probes, is taken
# from moves of a shard that has no keys.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/../t/lib";

use List::Util qw/ max /;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;

my $keys = $ARGV[0] || 300000;
my $moves = $ARGV[1] || 32;
my $fsync = $ARGV[2] || 'always';
my $t = ShardTest->new(shards => 8, name => 'move_redis');

$t->start_redis();
$t->start_data_redis("d$_", '--appendfsync', $fsync) for 1 .. 2;
$t->start_node("n$_", store => "redis://$t->{data}{qq{d$_}}") for 1 .. 2;
$t->seed();
$t->start_nginx();

my $conf = $t->migrator_conf('m1', <<"CONF");
driver: redis
data_redis:
    nodes:
        n1: redis://$t->{data}{d1}
        n2: redis://$t->{data}{d2}
CONF

$t->start_daemon('shard-migrator', 'm1', $conf);


sub trail {
    my ($id) = @_;
    return { $t->migration($id)->{trail} =~ /(\S+)@(\d+)/g };
}


# copied: called when the copy is done

sub move {
    my ($shard, $seconds, $copied) = @_;

    my $to = $t->shard_record($shard)->{primary} eq 'n1' ? 'n2' : 'n1';
    my $id = $t->migrate($shard, $to);

    if ($copied) {
        wait_for { trail($id)->{'catch-up'} || trail($id)->{'rolled-back'} }
                 $seconds, 'the copy';
        $copied->();
    }

    my @failed = $t->wait_migrations($seconds, $id);

    die "$id: ", $t->migration($id)->{error}, "\n" if @failed;
    return $id;
}


sub warm_up_ms {
    my $at = trail($_[0]);
    return $at->{shift} - $at->{'warm-up'};
}


# microseconds that the processes have run so far

sub cpu_us {
    return map {
        my $stat = slurp('/proc/' . $t->process($_)->pid() . '/stat');
        my @fields = split ' ', $stat =~ s/^.*\) //sr;
        ($_ => ($fields[11] + $fields[12]) * 10_000)
    } qw/ d1 d2 m1 /;
}


# no keys: probes alone

my @probes = sort { $a <=> $b } map { warm_up_ms(move(7, 60)) } 1 .. 5;
my $probes = $probes[2];


# one large shard

my $shard = 0;
my $node = $t->shard_record($shard)->{primary};
my $r = $t->data_redis($node =~ s/n/d/r);
my $value = 'v' x 100;

$r->command('CONFIG', 'SET', 'appendfsync', 'no');

for my $i (0 .. $keys / 1000 - 1) {
    $r->pipeline(map { [ 'FCALL', 'sharddata_put', 1, "shardkv:{$shard}:", 1,
                         'primary', 'key-' . ($i * 1000 + $_), 50000, $value,
                         0 ] } 1 .. 1000);
}

$r->command('CONFIG', 'SET', 'appendfsync', $fsync);

my (%before, %copied, %after);

%before = cpu_us();
my $id = move($shard, 600, sub { %copied = cpu_us() });
%after = cpu_us();

my $at = trail($id);
my $copy = $at->{'catch-up'} - $at->{copy};
my $verify = warm_up_ms($id) - $probes;

printf "copy: %d keys of 100 bytes in %d ms, %.0f keys/s; verified in %d ms "
       . "(and %d ms of probes)\n", $keys, $copy, $keys / $copy * 1000,
       $verify, $probes;

for my $part ([ 'copied', \%before, \%copied ],
              [ 'compared', \%copied, \%after ])
{
    my ($what, $from, $to) = @$part;
    my @us = map { ($to->{$_} - $from->{$_}) / $keys }
             $node eq 'n1' ? qw/ d1 d2 m1 / : qw/ d2 d1 m1 /;

    printf "CPU us for a key %s: source %.1f, target %.1f, migrator %.1f; "
           . "with a core for each %.0f keys/s at most\n", $what, @us,
           1e6 / max(@us);
}

printf "its hold, unloaded: %d ms\n", $at->{release} - $at->{hold};


# many moves under load

$t->start_load(rate => 300, name => 'load');
$t->wait_served(500);

my @holds;

for my $i (1 .. $moves) {
    push @holds, $t->migration(move(1 + $i % 7, 60))->{hold_ms};
    sleep(0.1);
}

@holds = sort { $a <=> $b } @holds;
printf "%d moves under 300 requests/s: hold p50 %d ms, p99 %d ms, max %d ms\n",
       $moves, $holds[@holds / 2], $holds[int(@holds * 0.99)], $holds[-1];

my $report = $t->end_load();
printf "load: %d requests, %d failed, %d lost, %d reordered\n",
       @$report{qw/ requests failed lost_writes reordered /};

$t->finish();
done_testing();

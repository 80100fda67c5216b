#!/usr/bin/perl

# What a move between two Redis costs: keys/s of the copy, of the verification
# and, over many moves under load, how long requests are held.
#
#     perl -It/lib bench/move_redis.pl [KEYS=300000] [MOVES=32] [FSYNC=always]

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/../t/lib";

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


sub move {
    my ($shard, $seconds) = @_;

    my $to = $t->shard_record($shard)->{primary} eq 'n1' ? 'n2' : 'n1';
    my $id = $t->migrate($shard, $to);
    my @failed = $t->wait_migrations($seconds, $id);

    die "$id: ", $t->migration($id)->{error}, "\n" if @failed;
    return $id;
}


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

my $at = trail(move($shard, 600));
my $copy = $at->{'catch-up'} - $at->{copy};
my $verify = $at->{shift} - $at->{'warm-up'};

printf "copy: %d keys of 100 bytes in %d ms, %.0f keys/s; verified in %d ms "
       . "(with %d ms of probes)\n", $keys, $copy, $keys / $copy * 1000,
       $verify, 5 * 5;
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

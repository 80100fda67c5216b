#!/usr/bin/perl

# Shards whose data are in Redis: two nodes, each with a Redis of its own, and
# the driver "redis" between them.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;


my $t = ShardTest->new(shards => 8);

$t->start_redis();
$t->start_data_redis("d$_") for 1 .. 2;
$t->start_node("n$_", zone => "z$_", store => "redis://$t->{data}{qq{d$_}}")
    for 1 .. 2;
$t->seed();
$t->start_nginx();
wait_for { $t->api('')->{version} >= 1 } 5, 'the table in nginx';


sub conf {
    my ($name, $more) = @_;

    return $t->migrator_conf($name, "driver: redis\ndata_redis:\n  nodes:\n"
        . join('', map { "    n$_: redis://$t->{data}{qq{d$_}}\n" } 1 .. 2)
        . ($more || ''));
}

$t->start_daemon('shard-migrator', 'm1', conf('m1'));
$t->start_load(rate => 300);
$t->wait_served(300);

my $id = $t->migrate(0, $t->shard_record(0)->{primary} eq 'n1' ? 'n2' : 'n1');
my @failed = $t->wait_migrations(30, $id);
my $m = $t->migration($id);

is_deeply(\@failed, [], 'a move') or diag explain $m;
is($m->{driver}, 'redis', 'by the driver redis');
note explain $m;

my $report = $t->end_load();
$t->load_is_clean($report, 'load');
$t->finish();
done_testing();

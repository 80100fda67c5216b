#!/usr/bin/perl

# A store that has just come back: who wrote to it before may come back, too,
# so no hold is begun behind an old router's back.  A restart is known by
# Redis' uptime, a break by the migrator's own connection.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Time::HiRes qw/ time /;

use ShardTest;

my $t = ShardTest->new(shards => 4);
my $r = $t->start_redis();

$t->start_nodes(2);
$t->seed(place => sub { 'n1' });
$t->redis()->command('HSET', $t->key('routers'), 'edge-old',
                     encode_json({ time_ms => int(time() * 1000) - 60_000 }));

my $conf = $t->migrator_conf('m', "hold:\n    timeout: 4s\n");

sub waited {
    my ($m, $id) = @_;

    my @said = grep { /\b$id\b/ && /router edge-old may come back/ } split /\n/, $m->log_text();
    return scalar @said;
}

sub hold_ms { return ($t->migration($_[0])->{trail} =~ /\bhold@(\d+)/)[0] // 0 }

sub is_done { my ($id, $what) = @_; is($t->ended_migration($id, $what)->{phase}, 'done', $what) }


# the decision is there when Redis is: the migrator has not known it before

my $id = $t->migrate(0, 'n2');

$r->stop();

my $restarted_ms = int(time() * 1000);

$r->start();

my $m = $t->one_migrator($conf);

is_done($id, 'a move behind a restart');
is(waited($m, $id), 1, 'it says once what it waits for');
cmp_ok(hold_ms($id) - $restarted_ms, '>=', 3500, 'and does wait');

# by another worker of the crew perhaps, who asks anew: Redis tells its uptime
# in whole seconds

wait_for { time() * 1000 > $restarted_ms + 4600 } 10, 'uptime';

my $free = $t->migrate(1, 'n2');

is_done($free, 'one when the store was there for longer than a router lives');
is(waited($m, $free), 0, 'which waits for nobody');
$t->end_migrator($m);


# Redis stays, all connections break

$m = $t->one_migrator($conf =~ s/probes: 5\n(\s+)probe_interval: 5ms/probes: 50\n$1probe_interval: 40ms/r);
$id = $t->migrate(2, 'n2');
wait_for { ($t->migration($id)->{phase} // '') eq 'warm-up' } 30, 'warm-up';
$t->redis()->command(qw/ CLIENT KILL TYPE normal SKIPME yes /);

my $broken_ms = int(time() * 1000);

is_done($id, 'a move whose connection broke');
is(waited($m, $id), 1, 'it waits, too');
cmp_ok(hold_ms($id) - $broken_ms, '>=', 3500, 'as long');
$t->end_migrator($m);

$t->finish();
done_testing();

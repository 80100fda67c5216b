#!/usr/bin/perl

# A move or split that is rolled back while its target is dead: the target gives
# up what was copied to it when it is back, but not once it is a standby by right.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP;
use Test::More;

use ShardTest;

my $t = ShardTest->new(shards => 2);

$t->start_redis();
$t->start_nodes(2);
$t->seed(place => sub { 'n1' });

my $hooks = "hooks:\n    - phase: verify\n      when: before\n"
            . "      exec: [ /bin/false ]\n      on_failure: rollback\n";


sub role {
    my ($shard) = @_;

    my $got = HTTP::Tiny->new(timeout => 5)->get(
                  "http://$t->{nodes}{n2}{addr}/_shard/$shard/stats");
    return eval { decode_json($got->{content})->{role} } || 'silent';
}


# what is left of one that cannot reach its target any more; its id, and the
# shard that n2 has

sub rolled_back {
    my ($name, @what) = @_;

    my $m = $t->start_daemon('shard-migrator', $name,
                             $t->migrator_conf($name, $hooks),
                             env => { SHARD_MIGRATOR_STOP => 'rolling-back' });
    my $id = $t->ctl(@what)->{id};

    wait_for { $m->is_stopped() } 60, 'rolling back';

    my $shard = $what[0] eq 'split' ? $t->migration($id)->{into} : $what[1];

    is(role($shard), 'standby', "@what: shard $shard is copied to n2");
    $t->process('n2')->kill();
    $m->signal('CONT');
    $t->wait_migrations(60, $id);

    is($t->migration($id)->{phase}, 'rolled-back', '... and rolled back');
    is($t->migration($id)->{left}, 1, '... with n2 left alone');
    $m->stop();
    $t->process('n2')->start();

    return ($id, $shard);
}


my ($id) = rolled_back('m1', qw/ migrate 0 n2 /);
is(role(0), 'standby', 'n2 is back and has what was copied');

my ($split, $new) = rolled_back('m2', qw/ split 0 --to n2 /);
my ($other) = rolled_back('m3', qw/ migrate 1 n2 /);
$t->committed('shard:1', $t->changed_shard(1, standbys => [ 'n2' ]));

$t->start_daemon('shard-migrator', 'm4', $t->migrator_conf('m4'));
wait_for { role(0) eq 'none' && role($new) eq 'none' } 60, 'n2 is told';
pass('n2 gives both up');
wait_for { ($t->migration($_)->{retired_ms} || 0) > 1 } 60, 'retired_ms'
    for $id, $split;
wait_for { $t->migration($other)->{retired_ms} } 60, 'shard 1 is looked at';
is($t->migration($other)->{retired_ms}, 1, 'a standby by now: left alone');
is(role(1), 'standby', '... and stays one');

# and is a target again

my $again = $t->migrate(0, 'n2');
$t->wait_migrations(60, $again);
is($t->migration($again)->{phase}, 'done', 'the next move arrives');

$t->finish();
done_testing();

#!/usr/bin/perl

# The module: the table's version is asked on one connection and its log comes
# on another.  An answer from before a change that arrives behind the change is
# no version that went back: the table is not read again.

use warnings;
use strict;

use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep /;

use ShardTest;

my $t = ShardTest->new(shards => 2);

$t->{nodes}{n1} = { name => 'n1', addr => '127.0.0.1:9', capacity => 100,
                    zone => 'z1' };

$t->start_redis();
$t->seed(silent => 1);
$t->start_nginx();

wait_for { $t->api('')->{version} } 5, 'a table';

my $r = $t->redis();
my @meta = map { $t->key($_) } qw/ meta table nodes log claims /;


# both answers are written while the workers sleep: Redis begins with the
# connection that it had something for last

sub change {
    my ($n) = @_;

    my $record = $t->shard_record(0);
    my @workers = $t->process('nginx')->children();
    my $claim = $r->command('FCALL', 'shard_claim', 2, @meta[0, 4], 'keyspace',
                            'test', 5000);

    $record->{epoch} = $n;

    # longer than a tick, which asks

    $t->process('redis')->signal('STOP');
    sleep(0.35);
    kill('STOP', @workers);

    $r->send_command('FCALL', 'shard_commit', 6, @meta, $t->key("op:order-$n"),
                     'keyspace', $claim->[1], 'test', -1, "order-$n", 'test',
                     'shard', 0, encode_json($record));
    $t->process('redis')->signal('CONT');

    my $got = $r->reply();

    kill('CONT', @workers);
    $r->command('FCALL', 'shard_release', 2, @meta[0, 4], 'keyspace', 'test',
                $claim->[1]);
    wait_for { $t->api('')->{version} >= $got->[1] } 5, "version $got->[1]";
}

change($_) for 2 .. 9;

unlike($t->error_log(), qr/reading the whole table/,
       'nothing went back, nothing is missing');
is($t->api('/shards/0')->{epoch}, 9, 'all of it arrived');

$t->finish();
done_testing();

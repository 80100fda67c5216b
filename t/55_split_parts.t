#!/usr/bin/perl

# A split copies its range by parts: broken off, by a migrator that is killed
# and by a target that is, it goes on where it was, and the two shards have
# all that the one had, what was written meanwhile too.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP;
use MIME::Base64;
use Test::More;

use ShardTest;

my $RATE = 3_000_000;           # bytes a second
my $ITEMS = 8_000;              # of 1000 bytes, half of them go

my $t = ShardTest->new(shards => 1);
my $http = HTTP::Tiny->new(timeout => 60);
my $migrators = 0;

$t->start_redis();
$t->start_nodes(2);
$t->allow(qr/killed|signal 9|trying again|let go/i);


sub url { return "http://$t->{nodes}{$_[0]}{addr}/_shard/$_[1]" }

sub migrator {
    my ($rate) = @_;

    my $name = 'm' . ++$migrators;
    my $conf = $t->migrator_conf($name) =~ s/^copy:\n/copy:\n    parts_from: 100000\n    rate: $rate\n/mr;

    return $t->start_daemon('shard-migrator', $name, $conf =~ s/^gate:\n/gate:\n    down_after: 60s\n/mr);
}

sub parts { return sprintf('%b', $t->migration($_[0])->{copy_parts} || 0) =~ tr/1// }

sub put {
    my ($key, $value) = @_;
    my $rec = $t->shard_record(0);

    return $http->put("http://$t->{nodes}{$rec->{primary}}{addr}/kv/$key",
                      { content => $value, headers => { 'X-Shard-Id' => 0, 'X-Shard-Epoch' => $rec->{epoch},
                                                        'X-Shard-Role' => 'primary' } })->{status};
}

# key => value of a shard

sub content_of {
    my ($node, $shard) = @_;
    my $got = $http->get(url($node, "$shard/snapshot"));

    die "$node, shard $shard: $got->{status}\n" if !$got->{success};
    return map { ($_->{k} => $_->{v}) } map { decode_json($_) } split /\n/, $got->{content};
}


my %all = map { ("key$_" => encode_base64(sprintf('%08d', $_) x 125, '')) } 1 .. $ITEMS;

is($http->put(url('n1', '0/snapshot'), { headers => { 'X-Shard-Position' => $ITEMS },
                                         content => join '', map { qq!{"k":"$_","v":"$all{$_}"}\n! } sort keys %all })->{status},
   204, 'a shard with data');
$t->seed(nodes => [ 'n1' ]);

my $first = migrator($RATE);
my $id = $t->ctl('split', 0, '--to', 'n2')->{id};

# killed in the middle: the next one begins with the part that is missing

wait_for { parts($id) >= 10 } 60, 'some parts of it';
$first->signal('KILL');
wait_for { !$first->alive() } 30, 'the migrator is killed';

my $had = parts($id);

is(put("key$_", "new $_"), 204, "key$_ is written meanwhile") for 1 .. 20;
$all{"key$_"} = encode_base64("new $_", '') for 1 .. 20;

my $second = migrator($RATE);
wait_for { ($t->migration($id)->{copy_resumed} || 0) >= 1 } 60, 'it goes on';
cmp_ok(parts($id), '>=', $had, 'with what was there');

# the target goes away and comes back with what it had

wait_for { parts($id) >= $had + 10 || $t->migration($id)->{phase} ne 'copy' } 60, 'more of it';
$t->process('n2')->signal('KILL');
wait_for { !$t->process('n2')->alive() } 30, 'the target is killed';
$t->process('n2')->restart();

is($t->wait_migrations(120, $id), 0, 'it is split') or diag($t->migration($id)->{error});

my $m = $t->migration($id);
my $into = $m->{into};

cmp_ok($m->{copy_sent}, '<=', 64 + 3, "parts sent: $m->{copy_sent}");
cmp_ok($m->{copy_resumed}, '>=', 1, "gone on with: $m->{copy_resumed}");
is($t->shard_record($into)->{primary}, 'n2', 'the new shard is on n2');

my %lower = content_of('n1', 0);
my %upper = content_of('n2', $into);

is(scalar(grep { exists $lower{$_} } keys %upper), 0, 'no key is in both');
is_deeply({ %lower, %upper }, \%all, 'all keys are in one of them');
cmp_ok(scalar keys %upper, '>', $ITEMS / 3, 'and many in the new one');

$t->finish();
done_testing();

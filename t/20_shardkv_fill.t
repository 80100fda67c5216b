#!/usr/bin/perl

# shardkv: copy-on-write, a shard in two pieces while it is moved.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use ShardKv qw/ is_refused /;

my $from = ShardKv->start();
my $to = ShardKv->start();
my $mode = sub {
    my ($node, $role, $epoch, $mode, $position) = @_;
    return $node->call('PUT', '/_shard/8/role', {}, encode_json({
        role => $role, epoch => $epoch, mode => $mode,
        position => $position || 0 }));
};
my $as = sub {
    my ($node, $role, $method, $key, $value) = @_;
    return $node->call($method, "/kv/$key",
                       { 'X-Shard-Id' => 8, 'X-Shard-Epoch' => 4,
                         'X-Shard-Role' => $role }, $value);
};
my $fill = sub {
    my ($epoch) = @_;
    my $image = $from->call('GET', '/_shard/8/snapshot');
    return $to->call('PUT', '/_shard/8/snapshot?fill=1',
                     { 'X-Shard-Position' => $image->{position},
                       'X-Shard-Epoch' => $epoch }, $image->{content});
};

$from->role(8, 'primary', 3);
$from->routed(8, 3, 'PUT', "/kv/k$_", "old$_") for 1 .. 6;
$to->role(8, 'standby', 3);

my $p = $mode->($from, 'standby', 4, 'fallback')->{json}{position};
is($p, 6, 'the source is frozen');
is_refused($as->($from, 'primary', 'PUT', 'k1', 'x'), 421, 'misdirected',
           'it takes no write');
is($as->($from, 'primary', 'GET', 'k1')->{content}, 'old1',
   'and answers reads');
is_refused($from->routed(8, 3, 'GET', '/kv/k1'), 421, 'misdirected',
           'of its epoch alone');

is_refused($mode->($to, 'primary', 4, 'fallback'), 400, 'bad_role',
           'a primary is no fallback');
is($mode->($to, 'primary', 4, 'filling', $p)->{json}{position}, $p,
   'the target goes on from there');
is_refused($as->($to, 'target', 'GET', 'k1'), 404, 'not_found',
           'what it has not is a miss');
is($as->($to, 'target', 'PUT', 'k1', 'new1')->{position}, 7, 'a write');
is($as->($to, 'target', 'DELETE', 'k2')->{status}, 204, 'a deletion');
is_refused($as->($to, 'target', 'GET', 'k2'), 410, 'gone',
           'is no miss');
is_refused($as->($to, 'target', 'DELETE', 'k2'), 404, 'not_found',
           'once');
$as->($to, 'target', 'PUT', 'k3', 'new3');
$as->($to, 'target', 'DELETE', 'k3');
$as->($to, 'target', 'DELETE', 'k4');
$as->($to, 'target', 'PUT', 'k4', 'new4');
is_refused($to->routed(8, 4, 'POST', '/queue/q', 'x'), 409, 'filling',
           'no appends');

is($mode->($to, 'standby', 4, 'filling')->{json}{position}, 12, 'sealed');
is_refused($as->($to, 'target', 'PUT', 'k5', 'x'), 421, 'misdirected',
           'it takes no write');
is_refused($fill->(4), 409, 'not_filling', 'nor what it is missing');
$mode->($to, 'primary', 4, 'filling');
$to->kill9();
$to->again();
is_refused($as->($to, 'target', 'GET', 'k2'), 410, 'gone',
           'open again, and after a crash, it knows');

is_refused($fill->(3), 409, 'not_filling', 'not of an older epoch');
is_refused($to->call('PUT', '/_shard/8/snapshot',
                     { 'X-Shard-Position' => 99 }, ''), 409, 'primary',
           'nor one that would replace all');
is($fill->(4)->{status}, 204, 'filled');
is($fill->(4)->{status}, 204, 'and again');

my $log = $to->call('GET', "/_shard/8/log?from=$p");
is($from->call('POST', '/_shard/8/log', { 'X-Shard-Epoch' => 4 },
               $log->{content})->{json}{position}, 12, 'shipped back');

my @digests = map { $_->call('GET', '/_shard/8/digest?parts=8&scan=yes')
                      ->{content} } $from, $to;
is($digests[0], $digests[1], 'both are the same');
like($digests[0], qr/"items":4,/, 'without what was deleted');
is($as->($to, 'target', 'GET', $_->[0])->{content}, $_->[1], "$_->[0]")
    for [ 'k1', 'new1' ], [ 'k4', 'new4' ], [ 'k5', 'old5' ];

$to->role(8, 'primary', 5);
$from->role(8, 'standby', 5);
is_refused($to->routed(8, 5, 'GET', '/kv/k2'), 404, 'not_found',
           'whole: not there is not there');
is_refused($fill->(5), 409, 'not_filling', 'and nothing is missing');
$mode->($from, 'primary', 6, 'filling', 50);
is($from->role(8, 'none', 7)->{json}{position}, 0,
   'one that filled gives its piece up');
is($_->stop(), 0, 'stopped cleanly') for $from, $to;

done_testing();

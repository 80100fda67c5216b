#!/usr/bin/perl

# shardkv: entries of a queue are taken by its reader, and whoever follows
# the shard knows it.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use ShardKv qw/ is_refused lines /;

my $c = ShardKv->start();
my $standby = ShardKv->start();

my $ack = sub { $c->routed(9, 2, 'POST', "/ack/$_[0]?n=$_[1]", '') };
my $left = sub {
    [ map { $_->{n} } @{lines($c->routed(9, $_[1] || 2, 'GET',
                                         "/queue/$_[0]"))} ]
};
my $depth = sub { $_[0]->call('GET', '/_shard/9/stats')->{json} };
my $same = sub {
    my @digests = map { $_->call('GET', '/_shard/9/digest?parts=8')
                          ->{content} } $c, $standby;
    is($digests[0], $digests[1], "$_[0]: both hold the same");
};

$c->role(9, 'primary', 2);
$c->routed(9, 2, 'POST', '/queue/a', 'x' . $_) for 1 .. 6;
$c->routed(9, 2, 'POST', '/queue/ab', 'y' . $_) for 1 .. 3;
$c->routed(9, 2, 'PUT', '/kv/a', 'v');

is($ack->('a', 2)->{content}, qq!{"acked":2}\n!, 'taken up to 2');
is_deeply($left->('a'), [ 3 .. 6 ], 'the rest is there');
is_deeply($left->('ab'), [ 1 .. 3 ], 'and another key\'s');
is($ack->('a', $_)->{content}, qq!{"acked":0}\n!, "up to $_: nothing new")
    for 2, 1;
is_refused($ack->('a', 7), 409, 'beyond', 'more than there is');
is_refused($c->routed(9, 2, 'POST', '/ack/a', ''), 400, 'bad_request',
           'n= is missing');

my $s = $depth->($c);
is("@$s{qw/ items queue_depth bytes /}", '8 7 26', 'counts');

# a snapshot, then the log behind it

my $image = $c->call('GET', '/_shard/9/snapshot');
like($image->{content}, qr/^\{"q":"a","n":2\}$/m, 'a snapshot says so');
is($standby->call('PUT', '/_shard/9/snapshot',
                  { 'X-Shard-Position' => $image->{position} },
                  $image->{content})->{status}, 204, 'put');
$same->('snapshot');

$ack->('a', 6);
$ack->('ab', 1);
is_deeply($left->('a'), [], 'all are taken');
is($c->routed(9, 2, 'POST', '/queue/a', 'x7')->{json}{n}, 7,
   'and the next index follows them');

my $log = $c->call('GET', "/_shard/9/log?from=$image->{position}");
like($log->{content}, qr/"op":"taken","k":"a","n":6\}$/m, 'the log has it');
$standby->role(9, 'standby', 2);
is($standby->call('POST', '/_shard/9/log', {}, $log->{content})->{status},
   200, 'shipped');
$same->('log');
$s = $depth->($standby);
is("@$s{qw/ items queue_depth bytes /}", '4 3 13', 'counts there');

# the index goes on at the new owner, of a hold nothing is left

$c->call('POST', '/_shard/9/hold?epoch=2');
$c->role(9, 'standby', 3);
$standby->role(9, 'primary', 3);
is($standby->routed(9, 3, 'POST', '/queue/a', 'x8')->{json}{n}, 8,
   'another owner counts on');
$standby->role(9, 'standby', 4);
$c->call('POST', '/_shard/9/log', {},
         $standby->call('GET', '/_shard/9/log?from='
                               . $depth->($c)->{position})->{content});
$c->role(9, 'primary', 4);
is_deeply($left->('a', 4), [ 7, 8 ], 'a later epoch ends a hold');
is_refused($c->call('POST', '/_shard/9/hold?epoch=2'), 409, 'epoch',
           'and refuses one of before');
$same->('back');

$c->kill9();
$c->again();
is_deeply($left->('a', 4), [ 7, 8 ], 'and a crash forgets nothing');
is($_->stop(), 0, 'stopped cleanly') for $c, $standby;

done_testing();

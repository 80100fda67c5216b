#!/usr/bin/perl

# shardkv: parts of a shard, each copied at a position of its own, the log
# behind all of them.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use ShardKv qw/ is_refused /;

my $kv = ShardKv->start();
my $target = ShardKv->start();

sub shard { return "/_shard/11/$_[0]" }
sub part { return shard("snapshot?parts=64&part=$_[0]") }

sub send_part {
    my ($n, $to) = @_;

    my $got = $kv->call('GET', part($n));
    return $to->call('PUT', part($n), { 'X-Shard-Position' => $got->{position} },
                     $got->{content});
}

sub write_some {
    my ($from, $n) = @_;

    for my $i ($from .. $from + $n - 1) {
        $kv->routed(11, 1, 'PUT', '/kv/p' . $i % 300, "value $i");
        $kv->routed(11, 1, 'POST', '/queue/pq' . $i % 7, "entry $i");
        $kv->routed(11, 1, 'DELETE', '/kv/p' . $i % 290) if $i % 5 == 0;
    }
}

sub digests {
    my ($node, $more) = @_;
    return $node->call('GET', shard("digest?parts=64$more"))->{content};
}

$kv->role(11, 'primary', 1);
write_some(0, 400);

is($kv->call('GET', shard('stats'))->{json}{parts}, 64, 'stats: parts');
is(digests($kv, ''), digests($kv, '&scan=yes'),
   'what is kept of the parts is what a scan finds');
is_refused($kv->call('GET', shard("snapshot?$_")), 400, 'bad_request',
           "refused: $_")
    for qw/ parts=64 part=0 parts=32&part=1 parts=64&part=64 /;

my @alone = map { $kv->call('GET', part($_))->{content} } 0 .. 63;
cmp_ok(scalar(grep { $_ ne '' } @alone), '>', 50, 'keys are in all of them');
is(join('', @alone), $kv->call('GET', shard('snapshot'))->{content},
   'all parts are the whole');

$target->role(11, 'standby', 1);
is_refused($target->call('PUT', part(1), { 'X-Shard-Position' => 900 },
                         $alone[0]), 400, 'bad_snapshot',
           'a key of another part');
is_refused($target->call('PUT', part(1), { 'X-Shard-Position' => 0 }, ''),
           400, 'bad_request', 'a part at position 0');

my $at;

for my $n (reverse 0 .. 63) {
    is(send_part($n, $target)->{status}, 204, "part $n") if $n % 16 == 0;
    send_part($n, $target) if $n % 16;
    write_some(400 + $n * 3, 3);
    next if $n % 8;

    $at = $target->call('GET', shard('stats'))->{json};
    is($at->{awaited}, $n, "$n parts are awaited");

    my $entries = $kv->call('GET', shard("log?from=$at->{position}&limit=5"));
    is($target->call('POST', shard('log'), {}, $entries->{content})
       ->{json}{position}, $at->{position} + 5, 'and the log goes on');
}

is_refused($target->role(11, 'primary', 2), 409, 'incomplete',
           'parts of several positions are no primary');
is_refused($target->call('GET', shard('snapshot')), 409, 'incomplete',
           'nor a source');
is_refused($target->call('PUT', part(5), { 'X-Shard-Position' => 300 }, ''),
           409, 'behind', 'an older part comes too late');

sub level {
    my $stands = $target->call('GET', shard('stats'))->{json}{position};

    $target->call('POST', shard('log'), {},
                  $kv->call('GET', shard("log?from=$stands"))->{content});
}

level();
is(digests($target, ''), digests($kv, ''), 'the log makes them one state');
is(digests($target, '&scan=yes'), digests($kv, '&scan=yes'),
   'by all that is there');
is($target->call('GET', shard('snapshot'))->{content},
   $kv->call('GET', shard('snapshot'))->{content}, 'queues and all');

# a part replaced in a standby: from then on it is ahead of the others

write_some(900, 50);
is(send_part(9, $target)->{status}, 204, 'one part anew');
is_refused($target->role(11, 'primary', 2), 409, 'incomplete',
           'it is ahead of the others');
level();
is(digests($target, ''), digests($kv, ''), 'and level again');

$at = $target->call('GET', shard('stats'))->{json}{position};
is($target->call('PUT', part(9), { 'X-Shard-Position' => $at }, '')->{status},
   204, 'one part emptied');
isnt(digests($target, ''), digests($kv, ''), 'the digests tell');
send_part(9, $target);
is(digests($target, ''), digests($kv, ''), 'and mended');
is($target->role(11, 'primary', 2)->{status}, 200, 'it may be primary then');

is($kv->stop(), 0, 'the source stopped cleanly');
is($target->stop(), 0, 'the target stopped cleanly');
unlike($kv->log() . $target->log(), qr/ERROR|WARNING|runtime error/i,
       'and had nothing to complain of');

done_testing();

#!/usr/bin/perl

# shardkv: ranges of keys in every order, what a primary drops, and what it
# takes of a neighbour that is joined to it.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use ShardKv qw/ is_refused lines /;

my $kv = ShardKv->start('--log-keep' => 100_000);
my $epoch = 5;

sub shard { my ($shard, $call) = @_; return "/_shard/$shard/$call" }
sub keys_of { return [ sort map { $_->{k} // "queue $_->{q}" } @{lines($_[0])} ] }

sub digest {
    my ($shard, $range) = @_;
    my $r = $kv->call('GET', shard($shard, 'digest?parts=64' . ($range ? "&$range" : '')));
    return "$r->{json}{items} " . join ' ', map { $_->{hash} } @{$r->{json}{parts}};
}

sub owned { my ($method, $path, $body, %more) = @_;
            return $kv->call($method, $path, { 'X-Shard-Epoch' => $epoch, %more }, $body) }

sub drop {
    my ($shard, $range, $limit) = @_;
    my ($n, $calls, $next) = (0, 0, undef);

    do {
        my $r = owned('POST', shard($shard, "drop?$range&limit=$limit" . (defined $next ? "&after=$next" : '')));

        die "drop: $r->{status} $r->{content}" if $r->{status} != 200;
        $n += $r->{json}{dropped};
        $next = $r->{json}{next};
        $calls++;
    } while defined $next;

    return ($n, $calls);
}


# numbers, some of them with zeros in front, and what is no number

$kv->role(7, 'primary', $epoch);
$kv->routed(7, $epoch, 'PUT', "/kv/$_", "v$_") for 0 .. 99, '007', 'abc';
$kv->routed(7, $epoch, 'POST', '/queue/' . $_ % 10 * 10, "e$_") for 1 .. 40;

my $upper = 'order=uint64&lo=' . sprintf('%016x', 50);
my $lower = 'order=uint64&hi=' . sprintf('%016x', 50);

is_deeply(keys_of($kv->call('GET', shard(7, "snapshot?$upper"))),
          [ sort 50 .. 99, map { ("queue $_") x 4 } 50, 60, 70, 80, 90 ], 'a snapshot of the upper half');
is_deeply(keys_of($kv->call('GET', shard(7, 'snapshot?order=uint64&lo=0000000000000007&hi=0000000000000008'))),
          [ '007', 7 ], 'one number, however it is written');
is(scalar @{keys_of($kv->call('GET', shard(7, "snapshot?$lower")))}, 71, 'the lower one, without what is no number');

my $log = lines($kv->call('GET', shard(7, "log?from=0&limit=1000&$upper")));
is(scalar @$log, 142, 'a log keeps all positions');
is_deeply([ map { $_->{p} } @$log ], [ 1 .. 142 ], 'without a gap');
is(scalar(grep { $_->{op} eq 'skip' } @$log), 142 - 50 - 20, 'what is outside is skipped');

is_deeply(keys_of($kv->call('GET', shard(7, 'snapshot?order=bytes&lo=' . unpack('H*', '1') . '&hi=' . unpack('H*', '11')))),
          [ 1, 10, ('queue 10') x 4 ], 'the order of bytes');
is(digest(7, 'order=hash'), digest(7), 'the whole of the hashes');
isnt(digest(7, 'order=hash&hi=8000000000000000'), digest(7), 'half of them');

is_refused($kv->call('GET', shard(7, $_->[0])), 400, 'bad_request', $_->[1])
    for [ 'snapshot?lo=00', 'no order' ], [ 'snapshot?order=hush', 'an unknown order' ],
        [ 'snapshot?order=hash&lo=12', 'a short number' ], [ 'log?from=0&order=bytes&lo=0g', 'no hex' ],
        [ 'digest?order=bytes&lo=62&hi=61', 'an empty range' ],
        [ 'digest?order=bytes&lo=' . '61' x 65, 'more than 64 bytes' ];


# a part of it becomes a shard of its own, with the log behind the snapshot

my $part = $kv->call('GET', shard(7, "snapshot?$upper"));
my $at = $part->{position};
my $whole = digest(7, $upper);

is($kv->call('PUT', shard(8, 'snapshot'), { 'X-Shard-Position' => $at }, $part->{content})->{status}, 204, 'a copy of it');
is(digest(8), $whole, 'the same data');
$kv->routed(7, $epoch, 'PUT', "/kv/$_", 'new') for 10, 60, 11;
$kv->routed(7, $epoch, 'POST', '/queue/60', 'new');
is($kv->call('POST', shard(8, 'log'), {}, $kv->call('GET', shard(7, "log?from=$at&$upper"))->{content})->{json}{position},
   $at + 4, 'the log of the range');
is(digest(8, $upper), digest(7, $upper), 'both go on alike');
is(lines($kv->call('GET', shard(8, "log?from=$at")))->[0]{op}, 'skip', 'what was skipped stays so');


# the primary gives the range up, and its standby follows

my $before = $kv->call('GET', shard(7, 'snapshot'));
$kv->call('PUT', shard(17, 'snapshot'), { 'X-Shard-Position' => $before->{position} }, $before->{content});

is_refused($kv->call('POST', shard(7, "drop?$upper"), { 'X-Shard-Epoch' => $epoch - 1 }), 409, 'epoch', 'by an older epoch');
is_refused($kv->call('POST', shard(7, "drop?$upper")), 400, 'bad_request', 'without an epoch');
is_refused($kv->call('POST', shard(8, "drop?$upper"), { 'X-Shard-Epoch' => $epoch }), 409, 'standby', 'not of a primary');
is_refused(owned('POST', shard(7, 'drop')), 400, 'bad_request', 'of no range');
is_refused(owned('POST', shard(7, "drop?$upper&after=$_")), 400, 'bad_request', "after=$_") for 'x00', 'v0', 'v0g', '';

my ($n, $calls) = drop(7, $upper, 7);
is($n, 55, 'fifty values and five queues are gone');
cmp_ok($calls, '>', 102 / 7, 'a little at a time');
is(digest(7, $upper), '0' . ' 0000000000000000' x 64, 'nothing is left of it');
is(scalar @{keys_of($kv->call('GET', shard(7, 'snapshot')))}, 72, 'the rest is as it was');
is((drop(7, $upper, 7))[0], 0, 'again: nothing to do');
$kv->call('POST', shard(17, 'log'), {}, $kv->call('GET', shard(7, "log?from=$before->{position}"))->{content});
is(digest(17), digest(7), 'a standby follows by the log');
is($kv->call('GET', shard(17, 'stats'))->{json}{$_}, $kv->call('GET', shard(7, 'stats'))->{json}{$_}, "counted: $_")
    for qw/ items bytes queue_depth position /;


# the other way: what the new shard has becomes a part of the old one again

$kv->role(8, 'primary', 1);
my $other = $kv->call('GET', shard(8, 'snapshot'));
my %at = ('X-Shard-Position' => $other->{position});

is_refused($kv->call('GET', shard(7, 'import?of=8')), 404, 'no_import', 'nothing imported yet');
is_refused(owned('POST', shard(7, 'import?of=8'), ''), 409, 'no_import', 'a log before its snapshot');
is_refused(owned('PUT', shard(7, 'import'), '', %at), 400, 'bad_request', 'of nobody');
is_refused($kv->call('PUT', shard(7, 'import?of=8'), { %at, 'X-Shard-Epoch' => $epoch + 1 }, ''), 409, 'epoch', 'another epoch');
is_refused($kv->call('PUT', shard(17, 'import?of=8'), { %at, 'X-Shard-Epoch' => 0 }, ''), 409, 'standby', 'a standby takes none');
is(owned('PUT', shard(7, 'import?of=8'), $other->{content}, %at)->{status}, 204, 'imported');
is_deeply($kv->call('GET', shard(7, 'import?of=8'))->{json}, { of => 8, position => $other->{position} + 0 }, 'up to there');
is_refused($kv->call('GET', shard(7, 'import?of=9')), 404, 'no_import', 'of no other');
is(digest(7, $upper), digest(8, $upper), 'the same data');

$kv->routed(8, 1, 'PUT', "/kv/$_", 'newer') for 70, 71;
$kv->routed(8, 1, 'DELETE', '/kv/72');
$kv->routed(8, 1, 'POST', '/queue/70', 'newer');
$kv->routed(7, $epoch, 'PUT', '/kv/20', 'its own');

my $more = $kv->call('GET', shard(8, "log?from=$other->{position}"));
is_refused(owned('POST', shard(7, 'import?of=8'), (split /(?<=\n)/, $more->{content})[1]), 409, 'gap', 'a gap');
is(owned('POST', shard(7, 'import?of=8'), $more->{content})->{json}{position}, $more->{position}, 'and its log') for 1, 2;
is(digest(7, $upper), digest(8, $upper), 'the same data, once');
is($kv->routed(7, $epoch, 'POST', '/queue/70', 'x')->{json}{n}, 6, 'a queue goes on where it was');

my $stands = $kv->call('GET', shard(7, 'stats'))->{json}{position};

is_refused(owned('PUT', shard(7, 'import?of=8'), $_->[0], %at), 409, 'queue_index', $_->[1])
    for [ $other->{content}, 'queues that are here already' ], [ qq!{"q":"80","n":1,"v":"eA=="}\n! x 2, 'an entry twice' ];
is($kv->call('GET', shard(7, 'stats'))->{json}{position}, $stands, 'nothing of them was written');

# a sender whose claim another one has by now

my %former = ('X-Shard-Token' => 41);
my %latter = ('X-Shard-Token' => 42);

is(owned('POST', shard(7, 'import?of=8'), $more->{content}, %latter)->{status}, 200, 'who has the claim');

$kv->kill9();
$kv->again();
is($kv->call('GET', shard(7, 'import?of=8'))->{json}{position}, $more->{position}, 'it is kept durably');

is_refused(owned('POST', shard(7, "drop?$upper"), undef, %former), 409, 'token', 'a drop of a former one');
is_refused(owned('PUT', shard(7, 'import?of=8'), $other->{content}, %at, %former), 409, 'token', 'its snapshot');
is_refused(owned('POST', shard(7, 'import?of=8'), $more->{content}, %former), 409, 'token', 'its log');
is_refused(owned('DELETE', shard(7, 'import?of=8'), undef, %former), 409, 'token', 'its end');
is_refused(owned('DELETE', shard(7, 'import?of=8'), undef, 'X-Shard-Token' => 'x'), 400, 'bad_request', 'no token at all');
is($kv->call('GET', shard(7, 'stats'))->{json}{position}, $stands, 'nothing of them was written');
is(owned('DELETE', shard(7, 'import?of=8'))->{status}, 204, 'ended') for 1, 2;
is_refused(owned('POST', shard(7, 'import?of=8'), $more->{content}), 409, 'no_import', 'no more comes after its end');

$kv->call('POST', shard(17, 'log'), {}, $kv->call('GET', shard(7, "log?from=" . $kv->call('GET', shard(17, 'stats'))->{json}{position}))->{content});
is(digest(17), digest(7), 'its standby has all of it');

is($kv->call('GET', shard(7, 'stats'))->{json}{ranges}, JSON::PP::true, 'it says that it can');
is($kv->stop(), 0, 'stopped cleanly');

done_testing();

#!/usr/bin/perl

# shardkv: every call of docs/backend-contract.md, with its refusals.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use MIME::Base64;
use POSIX ();
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardKv qw/ is_refused lines /;

my $kv = ShardKv->start('--log-keep' => 8);

sub shard {
    my ($path, $shard) = @_;
    return '/_shard/' . ($shard // 7) . "/$path";
}

###############################################################################
# roles and the 421 rules

is($kv->call('GET', '/health')->{status}, 200, 'health');

is_refused($kv->routed(7, 1, 'GET', '/kv/a'), 421, 'misdirected',
           'no role: refused');
is_refused($kv->call('GET', '/kv/a'), 421, 'misdirected',
           'no role, no headers: refused');

my $r = $kv->role(7, 'primary', 3);
is_deeply($r->{json}, { role => 'primary', epoch => 3, position => 0 },
          'made primary');
is($kv->role(7, 'primary', 3)->{status}, 200, 'the same role again');
is_refused($kv->role(7, 'primary', 2), 409, 'epoch', 'an older epoch');

is($kv->routed(7, 3, 'PUT', '/kv/a', 'one')->{status}, 204, 'put');
is_refused($kv->routed(7, 2, 'PUT', '/kv/a', 'x'), 421, 'misdirected',
           'sender older than the owner');
is_refused($kv->routed(7, 4, 'PUT', '/kv/a', 'x'), 421, 'misdirected',
           'sender newer than the owner');
is_refused($kv->routed(8, 3, 'GET', '/kv/a'), 421, 'misdirected',
           'another shard');
is($kv->call('GET', '/kv/a')->{content}, 'one',
   'by hand: read from the only primary shard');
is($kv->call('PUT', '/kv/hand', {}, 'x')->{status}, 204, 'by hand: written');

for my $role (qw/ standby none /) {
    is_refused($kv->call('PUT', '/_shard/7/role', {},
                         qq!{"role":"$role","epoch":3,"keep_primary":true}!),
               409, 'primary', "$role at a primary's own epoch, kept");
}

is($kv->call('PUT', '/_shard/7/role', {},
             '{"role":"primary","epoch":3,"keep_primary":true}')->{status},
   200, 'the same role again, kept');
is_refused($kv->call('PUT', '/_shard/7/role', {},
                     '{"role":"standby","epoch":3,"keep_primary":1}'),
           400, 'bad_role', 'kept or not: a word that is neither');

$kv->role(7, 'standby', 3);
is_refused($kv->routed(7, 3, 'PUT', '/kv/a', 'x', 'standby'), 421,
           'misdirected', 'standby: a write');
is_refused($kv->routed(7, 3, 'GET', '/kv/a'), 421, 'misdirected',
           'standby: taken for primary');
is_refused($kv->call('GET', '/kv/a'), 421, 'misdirected',
           'standby: without headers');
is($kv->routed(7, 9, 'GET', '/kv/a', undef, 'standby')->{content}, 'one',
   'standby: read as standby');
is($kv->routed(7, 9, 'GET', '/kv/a', undef, 'target')->{content}, 'one',
   'standby: read as target');
$kv->role(7, 'primary', 3);

###############################################################################
# values and queues

is($kv->routed(7, 3, 'GET', '/kv/no')->{status}, 404, 'no such key');
is($kv->routed(7, 3, 'DELETE', '/kv/no')->{status}, 404, 'nothing to delete');
is($kv->routed(7, 3, 'DELETE', '/kv/hand')->{status}, 204, 'deleted');
is($kv->routed(7, 3, 'GET', '/kv/hand')->{status}, 404, 'and gone');

my $binary = join '', map { chr } 0 .. 255;
$kv->routed(7, 3, 'PUT', '/kv/%C3%A4%22%5C%2F%01/b', $binary);
is($kv->routed(7, 3, 'GET', '/kv/%c3%a4%22%5c%2f%01%2Fb')->{content},
   $binary, 'an odd key and any byte');
$kv->routed(7, 3, 'PUT', '/kv/empty', '');
$r = $kv->routed(7, 3, 'GET', '/kv/empty');
is("$r->{status} [$r->{content}]", '200 []', 'an empty value');

is($kv->routed(7, 3, 'POST', '/queue/q', "e$_")->{json}{n}, $_, "append $_")
    for 1 .. 3;
is($kv->routed(7, 3, 'POST', '/queue/qq', 'f')->{json}{n}, 1,
   'an index per key');
is_deeply(lines($kv->routed(7, 3, 'GET', '/queue/q')),
          [ map { { n => $_, v => encode_base64("e$_", '') } } 1 .. 3 ],
          'the queue in order');
is_deeply([ map { $_->{n} }
            @{lines($kv->routed(7, 3, 'GET', '/queue/q?from=1&limit=1'))} ],
          [ 2 ], 'a part of it');
is($kv->routed(7, 3, 'GET', '/queue/none')->{content}, '', 'an empty queue');

is($kv->call('POST', shard('hold'))->{status}, 204, 'held');
is_refused($kv->routed(7, 3, 'GET', '/queue/q'), 423, 'held',
           'held: no delivery');
is($kv->routed(7, 3, 'POST', '/queue/q', 'e4')->{json}{n}, 4,
   'held: appends are taken');
is($kv->call('GET', shard('stats'))->{json}{held}, JSON::PP::true,
   'held: in the stats');
is($kv->call('POST', shard('resume'))->{status}, 204, 'resumed');
is(scalar @{lines($kv->routed(7, 3, 'GET', '/queue/q'))}, 4,
   'resumed: delivered');

is_refused($kv->call('POST', shard('hold?epoch=2')), 409, 'epoch',
           'held: not of an epoch that is over');
is($kv->call('POST', shard('hold?epoch=3'))->{status}, 204, 'held: of its own');
is($kv->role(7, 'primary', 3)->{status}, 200, 'the same role again');
is_refused($kv->routed(7, 3, 'GET', '/queue/q'), 423, 'held',
           'held: the epoch is the same');

###############################################################################
# bad input

is($kv->raw("GET /kv/$_->[0] HTTP/1.1\r\nHost: a\r\n$_->[1]\r\n"), 400,
   "400: $_->[2]")
    for [ 'a%', '', 'half an escape' ], [ 'a%zz', '', 'no hex digits' ],
        [ '', '', 'an empty key' ], [ '%ff%fe', '', 'a key that is not UTF-8' ],
        [ 'k' x 256, '', 'a key too long' ],
        [ 'a', "X-Shard-Id: 07\r\n", 'a shard with a leading zero' ],
        [ 'a', "X-Shard-Id: 4294967295\r\n", 'a shard too large' ],
        [ 'a', "X-Shard-Id: 7\r\nX-Shard-Epoch: -1\r\n", 'a negative epoch' ],
        [ 'a', "X-Shard-Id: 7\r\nX-Shard-Role: boss\r\n", 'an unknown role' ];

is($kv->raw("GET $_->[0] HTTP/1.1\r\nHost: a\r\n\r\n"), $_->[1],
   "$_->[1]: $_->[0]")
    for [ '/', 404 ], [ '/nothing', 404 ], [ '/_shard/7/nothing', 404 ],
        [ '/_shard/x/stats', 400 ], [ '/_shard/7', 400 ],
        [ '/_shard/4294967295/stats', 400 ], [ '/_shard/7/role', 405 ],
        [ '/_shard/7/log', 400 ], [ '/_shard/7/log?from=x', 400 ],
        [ '/_shard/7/log?from=0&limit=0', 400 ],
        [ '/_shard/7/log?from=0&limit=100001', 400 ],
        [ '/_shard/7/digest?parts=0', 400 ],
        [ '/_shard/7/digest?parts=1025', 400 ];

for ('', '{', '[]', '{"role":"primary"}', '{"role":"boss","epoch":9}',
     '{"role":"primary","epoch":-1}', '{"role":"primary","epoch":4294967296}',
     '{"role":"primary","epoch":9.5}', '{"role":"none","role":"none","epoch":9}',
     '{"role":"primary","epoch":9} x')
{
    is($kv->call('PUT', shard('role'), {}, $_)->{status}, 400,
       "400: role $_");
}

is($kv->call('PUT', shard('role'), {}, ' ' x 5000)->{status}, 413,
   '413: a role too long');
is($kv->routed(7, 3, 'PUT', '/kv/big', 'x' x (1024 * 1024))->{status}, 204,
   'a value of 1 MiB');
is_refused($kv->routed(7, 3, 'PUT', '/kv/big', 'x' x (1024 * 1024 + 1)), 413,
           'too_large', '413: a value of 1 MiB and a byte');
is(length($kv->routed(7, 3, 'GET', '/kv/big')->{content}), 1024 * 1024,
   'the old value stands');
is($kv->raw("PUT /kv/big HTTP/1.1\r\nHost: a\r\nX-Shard-Id: 7\r\n"
            . "X-Shard-Epoch: 3\r\nX-Shard-Role: primary\r\n"
            . "Transfer-Encoding: chunked\r\n\r\n"
            . join('', map { "10000\r\n" . 'y' x 65536 . "\r\n" } 1 .. 20)
            . "0\r\n\r\n"), 413, '413: in chunks');
ok($kv->call('GET', shard('stats'))->{json}{bytes} > 1024 * 1024,
   'stats: bytes');
is($kv->routed(7, 3, 'PUT', '/kv/big', 'small')->{status}, 204,
   'a value in its place');
is($kv->call('GET', shard('stats'))->{json}{epoch}, 3,
   'role and epoch as before');

###############################################################################
# log, snapshot, digest

my $stats = $kv->call('GET', shard('stats'))->{json};
my $end = $stats->{position};

is($stats->{queue_depth}, 5, 'stats: queue depth');
is($stats->{items}, 3 + 1 + 5, 'stats: items');
is($stats->{role}, 'primary', 'stats: role');
ok($stats->{write_rate} > 0, 'stats: write rate');
ok($stats->{free_bytes} > 1024 * 1024, 'stats: free bytes');
ok($stats->{bytes} < 1024, 'stats: bytes of what is there now');

is_refused($kv->call('GET', shard('log?from=0')), 410, 'trimmed',
           'the log is trimmed');
is_refused($kv->call('GET', shard('log?from=' . ($end - 9))), 410, 'trimmed',
           'just beyond what is kept');
$r = $kv->call('GET', shard('log?from=' . ($end - 8)));
is_deeply([ map { $_->{p} } @{lines($r)} ], [ $end - 7 .. $end ],
          'what is kept');
is($r->{position}, $end, 'its position');
$r = $kv->call('GET', shard('log?from=' . ($end - 8) . '&limit=2'));
is($r->{position}, $end - 6, 'limited: the last one sent');
is(scalar @{lines($r)}, 2, 'limited: two entries');
$r = $kv->call('GET', shard("log?from=$end"));
is("$r->{status} $r->{position} [$r->{content}]", "200 $end []",
   'nothing new');
is_refused($kv->call('GET', shard('log?from=' . ($end + 1))), 409, 'ahead',
           'beyond the end');

my $snapshot = $kv->call('GET', shard('snapshot'));
is($snapshot->{position}, $end, 'snapshot: its position');
is(scalar @{lines($snapshot)}, 9, 'snapshot: its lines');

my $digest = $kv->call('GET', shard('digest?parts=16'));
is($digest->{json}{items}, 9, 'digest: items');
is(scalar @{$digest->{json}{parts}}, 16, 'digest: parts');
is_refused($kv->call('GET', shard('digest?parts=1&at=' . ($end - 1))), 409,
           'position', 'digest at another position');
is($kv->call('GET', shard('digest?at=' . ($end - 1)))->{json}{position}, $end,
   'and it says which');

# to another node, with writes while it is under way

my $target = ShardKv->start();

is($target->call('PUT', shard('snapshot'),
                 { 'X-Shard-Position' => $end }, $snapshot->{content})
   ->{status}, 204, 'snapshot taken in') for 1 .. 2;
is($target->call('GET', shard("digest?parts=16&at=$end"))->{content},
   $digest->{content}, 'the digests are equal');

$kv->routed(7, 3, 'PUT', '/kv/new', 'n');
$kv->routed(7, 3, 'DELETE', '/kv/a');
$kv->routed(7, 3, 'POST', '/queue/q', 'e5');
$kv->routed(7, 3, 'PUT', '/kv/new', 'm');

isnt($kv->call('GET', shard('digest?parts=16'))->{content},
     $digest->{content}, 'the digest has changed');
$digest = $kv->call('GET', shard('digest?parts=16'));

my $log = $kv->call('GET', shard("log?from=$end"));
my @entries = split /^/, $log->{content};
is(scalar @entries, 4, 'four writes in the log');

is_refused($target->call('POST', shard('log'), {}, $entries[1]), 409, 'gap',
           'a gap in the log');
is($target->call('POST', shard('log'), {}, $entries[0] . $entries[1])
   ->{json}{position}, $end + 2, 'half of it applied');
is_refused($target->call('POST', shard('log'), {},
                         $entries[1] . $entries[3]), 409, 'gap',
           'a gap within');
is_refused($target->call('POST', shard('log'), {}, "$entries[2]$_->[0]"), 400,
           'bad_line', "refused whole: $_->[1]")
    for [ "{\n", 'bad JSON' ], [ "[]\n", 'no object' ], [ "\n", 'no line' ],
        [ $entries[3] =~ s/\n//r, 'a line cut off' ],
        [ qq!{"p":0,"op":"put","k":"a","v":""}\n!, 'position 0' ],
        [ qq!{"p":1e3,"op":"put","k":"a","v":""}\n!, 'no integer' ],
        [ qq!{"p":1,"op":"drop","k":"a","v":""}\n!, 'unknown op' ],
        [ qq!{"p":1,"op":"put","k":"","v":""}\n!, 'empty key' ],
        [ qq!{"p":1,"op":"put","k":"a"}\n!, 'no value' ],
        [ qq!{"p":1,"op":"put","k":"a","v":"YQ"}\n!, 'no padding' ],
        [ qq!{"p":1,"op":"put","k":"a","v":"YR=="}\n!, 'bits left over' ],
        [ qq!{"p":1,"op":"put","k":"a","v":"Y=Q="}\n!, 'padding within' ],
        [ qq!{"p":1,"p":1,"op":"put","k":"a","v":""}\n!, 'a field twice' ];
is($target->call('GET', shard('stats'))->{json}{position}, $end + 2,
   'the old state stands');
is($target->call('POST', shard('log'), {}, $log->{content})->{json}{position},
   $end + 4, 'all of it again: what is known is skipped');
is($target->call('GET', shard('digest?parts=16'))->{content},
   $digest->{content}, 'the digests are equal again');
is($target->call('GET', shard("log?from=$end"))->{content}, $log->{content},
   'the target hands the same log on');
is_refused($kv->call('POST', shard('log'), {}, $log->{content}), 409,
           'primary', 'a primary takes no log');
is_refused($kv->call('PUT', shard('snapshot'), { 'X-Shard-Position' => 1 },
                     $snapshot->{content}), 409, 'primary',
           'a primary takes no snapshot');

# the order of insertion does not matter

$target->call('PUT', shard('snapshot', 9), { 'X-Shard-Position' => $end + 4 },
              join '', reverse split /^/,
              $target->call('GET', shard('snapshot'))->{content});
is($target->call('GET', shard('digest?parts=16', 9))->{content},
   $digest->{content}, 'the same digest from the reverse order');

###############################################################################
# snapshots that break

my $line = qq!{"k":"x","v":"eA=="}\n!;

is_refused($target->call('PUT', shard('snapshot'), { @{$_->[0]} }, $_->[1]),
           400, $_->[2], "refused: $_->[3]")
    for [ [], $line, 'bad_request', 'no position' ],
        [ [ 'X-Shard-Position' => 'x' ], $line, 'bad_request',
          'a bad position' ],
        [ [ 'X-Shard-Position' => 99 ], "$line$line", 'bad_snapshot',
          'a key twice' ],
        [ [ 'X-Shard-Position' => 99 ], "$line\{", 'bad_line', 'cut off' ],
        [ [ 'X-Shard-Position' => 99 ], $line . 'x' x 1500000, 'bad_line',
          'an endless line' ],
        [ [ 'X-Shard-Position' => 99 ], qq!{"q":"x","n":0,"v":""}\n!,
          'bad_line', 'an index 0' ],
        [ [ 'X-Shard-Position' => 99 ], qq!{"q":"x","k":"x","n":1,"v":""}\n!,
          'bad_line', 'value and queue in one' ];

my $many = join '', map { qq!{"k":"key$_","v":"! . encode_base64('v' x 900, '')
                          . qq!"}\n! } 1 .. 1500;

for my $bytes (300, length($many) - 10) {
    my $s = $target->socket();
    print $s "PUT /_shard/7/snapshot HTTP/1.1\r\nHost: a\r\n"
             . "X-Shard-Position: 99\r\nContent-Length: " . length($many)
             . "\r\n\r\n" . substr($many, 0, $bytes);
    $s->flush();

    # MHD sees an end that comes with the last bytes only after 75 s

    sleep 0.05;
    close $s;

    is($target->call('GET', shard('digest?parts=16'))->{content},
       $digest->{content}, "broken off after $bytes bytes: the old data");
}

# many chunks, over the staged leftovers

is($target->call('PUT', shard('snapshot'), { 'X-Shard-Position' => 99 },
                 $many . $many =~ s/"key/"more/gr)->{status}, 204,
   'a long snapshot');
$stats = $target->call('GET', shard('stats'))->{json};
is("$stats->{items} $stats->{position} $stats->{queue_depth}", '3000 99 0',
   'it replaced everything');
$r = $target->call('GET', shard('snapshot'));
is(scalar(() = $r->{content} =~ /\n/g), 3000, 'and comes back');

# positions only grow: a sender that slept in the middle, or begins too late

my $slow = $target->socket();
print $slow "PUT /_shard/7/snapshot HTTP/1.1\r\nHost: a\r\n"
            . "X-Shard-Position: 99\r\nContent-Length: " . length($many)
            . "\r\n\r\n" . substr($many, 0, length($many) / 2);
$slow->flush();

is($target->call('POST', shard('log'), {},
                 qq!{"p":100,"op":"put","k":"x","v":"eA=="}\n!)
   ->{json}{position}, 100, 'the shard goes on meanwhile');
print $slow substr($many, length($many) / 2);
$slow->flush();
like(scalar <$slow>, qr/^HTTP\/1\.1 409 /, 'a slow snapshot comes too late');
close $slow;

$r = $target->call('PUT', shard('snapshot'), { 'X-Shard-Position' => 99 }, '');
is_refused($r, 409, 'behind', 'a snapshot behind the shard');
is($r->{json}{position}, 100, 'and it says where it stands');
$stats = $target->call('GET', shard('stats'))->{json};
is("$stats->{items} $stats->{position}", '3001 100', 'the old data stand');
is($target->call('PUT', shard('snapshot'), { 'X-Shard-Position' => 100 },
                 $line)->{status}, 204, 'a snapshot of the same position');

# unless the shard was given up, which a primary does not do

sub role {
    my ($role) = @_;
    return $target->call('PUT', shard('role'), {},
                         qq!{"role":"$role","epoch":4}!)->{json}{position};
}

is(role('primary'), 100, 'the target as primary');
is(role('none'), 100, 'none: a primary keeps its data');
is(role('standby'), 100, 'as standby');
is(role('none'), 0, 'a standby gives them up');

$stats = $target->call('GET', shard('stats'))->{json};
is(join(' ', @$stats{qw/ role epoch position items bytes queue_depth /}),
   'none 4 0 0 0 0', 'nothing is left but the epoch');
is_refused($target->call('PUT', shard('role'), {},
                         '{"role":"standby","epoch":3}'), 409, 'epoch',
           'which stands');
is($target->call('PUT', shard('snapshot'), { 'X-Shard-Position' => 5 }, '')
   ->{status}, 204, 'any snapshot is taken then');
is($target->call('GET', shard('stats'))->{json}{position}, 5,
   'whatever its position');

my $deadline = time() + 10;
my $free;

do {
    $free = $target->call('GET', shard('stats'))->{json}{free_bytes};
    sleep 0.02;
} until $free > 1020 * 1024 * 1024 || time() > $deadline;

ok($free > 1020 * 1024 * 1024, 'what was replaced gives its room back');

###############################################################################
# what other stores have

for my $path ('/kv/a?ttl_ms=1000', '/take/q?group=g&consumer=c',
              '/ack/q?group=g&consumer=c&n=1')
{
    my $method = $path =~ m!^/kv! ? 'PUT' : 'POST';
    is_refused($kv->call($method, $path, {}, ''), 501, 'not_offered',
               "$path: not by LMDB");
}

is_refused($kv->call('POST', "/$_", {}, ''), 400, 'bad_request', "$_: bad")
    for qw! take/q?group=g take/q?group=%21&consumer=c
            ack/q?group=g&consumer=c ack/q?group=g&consumer=c&n=0
            take/q?group=g&consumer=c&limit=0 !;

is_refused($kv->call('PUT', "/kv/a?ttl_ms=$_", {}, ''), 400, 'bad_request',
           "ttl_ms=$_: bad")
    for '0', 'x', '-1', '999999999999999';

for my $args ("--dir $kv->{dir}/x --store y://z", '', '--store y',
              '--store y://z', "--dir $kv->{dir}/x --store-connections 0")
{
    my $err = qx!@{[ ShardKv::binary() ]} --listen 127.0.0.1:0 $args 2>&1!;
    is($? >> 8, 2, "usage: $args") or diag($err);
}

is($kv->stop(), 0, 'the source stopped cleanly');
is($target->stop(), 0, 'the target stopped cleanly');
unlike($kv->log() . $target->log(), qr/ERROR|WARNING|runtime error/i,
       'and had nothing to complain of');

done_testing();

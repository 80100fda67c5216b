#!/usr/bin/perl

# shardctl history import: each format, the rows as Redis holds them; and
# init with nodes of the contract.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Time::HiRes qw/ time /;

use ShardTest;

my $t = ShardTest->new();

plan(skip_all => 'no build/shardctl') if !-x $t->program('shardctl');

$t->start_redis();

my $dir = $t->dir();
my $r = $t->redis();
my $shared = $t->top() . '/../shared/traces';
my @nodes = map { ('--node', "n$_=127.0.0.1:800$_,zone=z1,capacity=100") } 1, 2;

# the values of a slot, "-" where it is unknown

sub row {
    my ($res, $slot) = @_;
    my $text = $r->command('GET', $t->key("rows:$res:$slot:0"));
    return '' if !defined $text;
    return join ' ', map { $_ == $_ ? sprintf('%g', $_) : '-' }
                     unpack('f<*', $text);
}

my $start = 1704067200;
my $slot = $start / 300;


# a fleet

$t->ctl('init', '--shards', 4, @nodes, '--driver', 'none');

spew("$dir/fleet.csv", "epoch,a,b,c\n"
     . join('', map { my $e = $start + 300 * $_;
                      "$e,$_,,0.5\n" } 0 .. 3 * 288 - 1));

my $json = $t->ctl('history', 'import', "$dir/fleet.csv", '--days', '2-3');
is($json->{rows}, 2 * 288, 'fleet: rows of two days');
is($json->{lines}, 3 * 288, 'fleet: lines');
is(row(300, $slot + 287), '', 'fleet: nothing of day 1');
is(row(300, $slot + 288), '288 - 0.5 -', 'fleet: the first of day 2');
is(row(300, $slot + 3 * 288 - 1), '863 - 0.5 -', 'fleet: the last of day 3');
cmp_ok($r->command('TTL', $t->key('rows:300:' . ($slot + 288) . ':0')), '>',
       39 * 86400, 'they live 40 days');


# a trace of one shard leaves the others as they are

spew("$dir/hour.csv", "timestamp,value\n"
     . join('', map { ($start + 3600 * $_) . ',' . (10 + $_) . "\n" } 24 .. 30));

$json = $t->ctl('history', 'import', "$dir/hour.csv", '--shard', 1);
is($json->{rows}, 7 * 12, 'trace: an hourly point fills its hour');
is(row(300, $slot + 288 + 11), '299 34 0.5 -', 'trace: up to its end');
is(row(300, $slot + 288 + 12), '300 35 0.5 -', 'trace: the next hour');

spew("$dir/minute.csv", join('', map { ($start + 60 * $_) . ",$_\r\n" } 0 .. 9));
$t->ctl('history', 'import', "$dir/minute.csv", '--shard', 3, '--format',
        'trace');
is(row(300, $slot), '- - - 2', 'trace: finer points are averaged');
is(row(300, $slot + 1), '- - - 7', 'trace: in each slot');

$t->ctl('history', 'import', "$dir/minute.csv", '--shard', 3, '--interval', 60);
is(row(60, $start / 60 + 9), '- - - 9', 'trace: rows of 60 s');

$json = $t->ctl('history', 'import', "$dir/minute.csv", '--shard', 0,
                '--shift-to', $start + 10 * 86400);
is($json->{to}, $start + 10 * 86400, '--shift-to: ends there');
is(row(300, $slot + 2880 - 1), '7 - - -', '--shift-to: the last row');


# an access log; the key's shard by the same hash as the routers

my $log = '';

for my $i (0 .. 599) {
    my ($s, $m) = ($i % 60, int($i / 60));
    my $key = 'k' . $i % 7;
    $log .= sprintf(qq(10.0.0.1 - bob [01/Jan/2024:02:%02d:%02d +0200] )
                    . qq("GET /kv/x?a=1&Key=%s&b HTTP/1.1" 200 12 "-" "c \\"q\\"" "%s"\n),
                    $m, $s, $key, $i % 100 == 99 ? '-' : $key);
}

spew("$dir/access.log", $log);

$json = $t->ctl('history', 'import', "$dir/access.log", '--shift-to',
                $start + 20 * 86400);
is($json->{format}, 'access', 'access: told from its first line');
is($json->{keyless}, 6, 'access: requests without a key');
is($json->{rows}, 2, 'access: rows');

my $at = $slot + 20 * 288 - 2;
my $sum = 0;
$sum += $_ for split / /, row(300, $at);
cmp_ok(abs($sum - 297 / 300), '<', 1e-5, 'access: requests per second');
unlike(row(300, $at), qr/-/, 'access: no request is no load');

my $by_last = row(300, $at);
$t->ctl('history', 'import', "$dir/access.log", '--key-field', 'arg:key',
        '--shift-to', $start + 21 * 86400);
$sum = 0;
$sum += $_ for split / /, row(300, $at + 288);
cmp_ok(abs($sum - 1), '<', 1e-5, 'access: key from the query');

$t->ctl('history', 'import', "$dir/access.log", '--key-field', 10,
        '--shift-to', $start + 22 * 86400);
is(row(300, $at + 2 * 288), $by_last, 'access: key by the field number');

my @rotated = ("$dir/a.log", "$dir/b.log");
my @lines = split /(?<=\n)/, $log;
spew($rotated[0], join '', @lines[0 .. 449]);
spew($rotated[1], join '', @lines[450 .. 599]);
$t->ctl('history', 'import', @rotated, '--shift-to', $start + 23 * 86400);
is(row(300, $at + 3 * 288), $by_last, 'access: rotated files are one log');


# all or nothing

spew("$dir/bad.csv", slurp("$dir/hour.csv") . "nonsense\n");
my $keys = $r->command('DBSIZE');
my ($status, $out, $err) = $t->try_ctl('history', 'import', "$dir/hour.csv",
                                       "$dir/bad.csv", '--shard', 2,
                                       '--shift-to', $start + 30 * 86400);
is($status, 1, 'a bad line in the second file');
like($err, qr/bad\.csv:9:1: "nonsense" is no time/, 'is named');
is($r->command('DBSIZE'), $keys, 'nothing was imported');


# the real fleet

SKIP: {
    skip 'no ../shared/traces here', 4 if !-f "$shared/fleet-64.csv";

    $t->ctl('init', '--shards', 57, @nodes, '--driver', 'none', '--force');

    my $begin = time();
    $json = $t->ctl('history', 'import', "$shared/fleet-64.csv", '--days',
                    '1-21');
    my $took = time() - $begin;

    is($json->{rows}, 21 * 288, 'fleet-64: rows');
    is($json->{shards}, 57, 'fleet-64: shards');
    cmp_ok($took, '<', $ENV{SHARD_SAN} ? 20 : 3, sprintf('in %.2f s', $took));
    is((split / /, row(300, $slot))[0], '21.04', 'fleet-64: the first cell');
}


# init tells the nodes what they own

SKIP: {
    skip 'no build/shardkv', 5 if !-x $t->program('shardkv');

    $t->start_nodes(2);

    my @real = map { ('--node', "$_->{name}=$_->{addr},zone=$_->{zone},"
                                . "capacity=100") }
               map { $t->{nodes}{$_} } $t->node_names();

    $json = $t->ctl('init', '--shards', 600, @real, '--force');
    is($json->{shards}, 600, 'init --driver http');

    for my $shard (0, 1, 599) {
        my $node = $t->{nodes}{ 'n' . ($shard % 2 + 1) };
        my $stats = $t->request('GET', "http://$node->{addr}/_shard/$shard/stats");
        my $role = eval { decode_json($stats->{content}) } || {};
        is("$role->{role} $role->{epoch}", "primary $json->{epoch}",
           "shard $shard has its owner");
    }

    is($r->command('HGET', $t->key('meta'), 'policy'), '{"driver":"http"}',
       'policy');
}

$t->finish();

done_testing();

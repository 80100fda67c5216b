#!/usr/bin/perl

# shardctl and users who are mistaken: each answer names the thing, the place
# and the way out, and has the right exit status.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use ShardTest;

my $t = ShardTest->new();

plan(skip_all => 'no build/shardctl') if !-x $t->program('shardctl');

$t->start_redis();

my $dir = $t->dir();
my $addr = $t->redis_addr();
my $dead = free_port();

my @global = ('--redis', $addr, '-k', 'orders');
my @two = ('--node', 'n1=127.0.0.1:8001,zone=z1,capacity=100',
           '--node', "n2=127.0.0.1:$dead,zone=z2,capacity=100");

spew("$dir/key.yaml", "nodes:\n    n1:\n        adr: 127.0.0.1:1\n");
spew("$dir/syntax.yaml", "nodes: [\n");
spew("$dir/list.yaml", "- n1\n");
spew("$dir/twice.yaml", "nodes:\n"
     . "    n1: { addr: 127.0.0.1:1, zone: z1, capacity: 1 }\n"
     . "    n2: { addr: 127.0.0.1:1, zone: z1, capacity: 1 }\n");
spew("$dir/place.csv", "0,n1\n1,n9\n");
spew("$dir/short.csv", "shard,node\n0,n1\n");
spew("$dir/empty.pw", '');
spew("$dir/fleet.csv", "epoch,a,b\n1704067200,1,2\n1704067500,1,x\n");
spew("$dir/back.csv", "epoch,a,b\n1704067500,1,2\n1704067200,1,2\n");
spew("$dir/fields.csv", "epoch,a,b\n1704067200,1,2\n1704067500,1\n");
spew("$dir/minus.csv", "timestamp,value\n1704067200,-4\n");
spew("$dir/ms.csv", "timestamp,value\n1704067200000,4\n");
spew("$dir/head.csv", "timestamp,value\n");
spew("$dir/zero.csv", "timestamp,value\n1704067200,1\0\n");
spew("$dir/wide.csv", "epoch,a,b,c,d,e\n1704067200,1,2,3,4,5\n");
spew("$dir/good.csv", "timestamp,value\n1704067200,4\n1704067500,5\n");
spew("$dir/quote.log", qq(1.2.3.4 - - [21/Nov/2026:08:25:00 +0000] "GET / \n));
spew("$dir/time.log", qq(1.2.3.4 - - [21/Nuv/2026:08:25:00 +0000] "GET /" 200 1 "-" "k"\n));
spew("$dir/bare.log", qq(1.2.3.4 - - [21/Nov/2026:08:25:00 +0000] "GET /" 200 1\n));

my $long = 'x' x 64;

# arguments, exit status, message; before there is a table

my @before = (
    [ [], 2, qr/no command/ ],
    [ [ 'stauts' ], 2, qr/unknown command "stauts", nearest is "status"/ ],
    [ [ 'node', 'ad', 'x' ], 2, qr/"node ad", nearest is "node add"/ ],
    [ [ 'zzzzzzzzz' ], 2, qr/unknown command "zzzzzzzzz"/ ],
    [ [ 'status', '--jsn' ], 2, qr/unknown option "--jsn", nearest is "--json"/ ],
    [ [ 'shards', '--limt', 3 ], 2, qr/nearest is "--limit"/ ],
    [ [ '--json=yes', 'status' ], 2, qr/"--json" takes no value/ ],
    [ [ 'shards', '--limit' ], 2, qr/"--limit" needs a value/ ],
    [ [ 'shards', '--limit', 'many' ], 2, qr/"--limit many": a number from 1/ ],
    [ [ 'shards', '--limit', '-1' ], 2, qr/a number from 1/ ],
    [ [ 'status', 'now' ], 2, qr/"now" is one argument too many/ ],
    [ [ 'explain' ], 2, qr/too few arguments: "explain ID\|SHARD"/ ],
    [ [ 'explain', '12' ], 1, qr/no table of keyspace/ ],
    [ [ 'explain', '12x' ], 2, qr/16 hex digits/ ],
    [ [ 'explain', '0123456789ABCDEF' ], 2, qr/16 hex digits/ ],
    [ [ 'explain', '00000000000000aa' ], 1, qr/no decision or migration 00000000000000aa/ ],
    [ [ 'watch', '--interval', '5' ], 2, qr/"--interval 5": a time as/ ],
    [ [ 'watch', '--interval', '1ms' ], 2, qr/from 100 ms on/ ],
    [ [ 'init', @two ], 2, qr/how many shards\? --shards N/ ],
    [ [ 'init', '--shards', 0, @two ], 2, qr/a number from 1 to 1000000/ ],
    [ [ 'init', '--shards', 2 ], 2, qr/on which nodes\?/ ],
    [ [ 'init', '--shards', 2, '--node', 'n1' ], 2, qr/NAME=ADDR,zone=Z/ ],
    [ [ 'init', '--shards', 2, '--node', 'n1=127.0.0.1:1,zon=z' ], 2,
      qr/unknown key "zon", nearest is "zone"/ ],
    [ [ 'init', '--shards', 2, '--node', 'n1=127.0.0.1:1,zone=z,capacity=-4' ],
      2, qr/"-4" is no good capacity/ ],
    [ [ 'init', '--shards', 2, '--node', 'n1=127.0.0.1:1,zone=z' ], 1,
      qr/node "n1" has no "capacity"/ ],
    [ [ 'init', '--shards', 2, '--node', 'n1=local_host:80,zone=z,capacity=1' ],
      1, qr/node "n1": .*addr/ ],
    [ [ 'init', '--shards', 2, '--node', 'n1=127.0.0.1:99999,zone=z,capacity=1' ],
      1, qr/node "n1": .*(port|addr)/ ],
    [ [ 'init', '--shards', 2, '--nodes', "$dir/none.yaml" ], 1,
      qr/cannot open "\S+none\.yaml": No such file/ ],
    [ [ 'init', '--shards', 2, '--nodes', "$dir/key.yaml" ], 1,
      qr/key\.yaml:3:9: unknown key "adr", nearest is "addr"/ ],
    [ [ 'init', '--shards', 2, '--nodes', "$dir/syntax.yaml" ], 1,
      qr/syntax\.yaml:\d+:\d+: / ],
    [ [ 'init', '--shards', 2, '--nodes', "$dir/list.yaml" ], 1,
      qr/list\.yaml:1:1: one key "nodes"/ ],
    [ [ 'init', '--shards', 2, '--nodes', "$dir/twice.yaml" ], 1,
      qr/twice\.yaml:3:5: node "n2" at 127\.0\.0\.1:1 has the name or address of node "n1"/ ],
    [ [ 'init', '--shards', 2, @two, '--strategy', 'log-shiping' ], 2,
      qr/nearest is "log-shipping"/ ],
    [ [ 'init', '--shards', 2, @two, '--placement', "$dir/place.csv" ], 1,
      qr/place\.csv:2:3: there is no such node: "1,n9"/ ],
    [ [ 'init', '--shards', 2, @two, '--placement', "$dir/short.csv" ], 1,
      qr/shard 1 is placed nowhere/ ],
    [ [ 'init', '--shards', 2, @two ], 1,
      qr/node "n[12]" at \S+ does not answer: .*no table was written/ ],
    [ [ 'history', 'import', "$dir/bare.log" ], 1, qr/no table to look keys up/ ],
    [ [ 'policy', 'get' ], 1, qr/there is no table.*"shardctl init" makes a table/ ],
);

my @after = (
    [ [ 'node', 'add', 'n3', '127.0.0.1:8003', '--zone', 'z1' ], 2,
      qr/--zone Z and --capacity C are needed/ ],
    [ [ 'node', 'add', 'n 3', '127.0.0.1:8003', '--zone', 'z1', '--capacity', 1 ],
      2, qr/"n 3" is no node's name/ ],
    [ [ 'node', 'add', 'n3', 'nowhere', '--zone', 'z1', '--capacity', 1 ], 2,
      qr/node "n3": .*addr/ ],
    [ [ 'node', 'add', 'n3', '127.0.0.1:8003', '--zone', 'z1', '--capacity',
        '1x' ], 2, qr/"--capacity 1x"/ ],
    [ [ 'node', 'add', 'n1', '127.0.0.1:8003', '--zone', 'z1', '--capacity', 1 ],
      1, qr/node "n1" is there already, at 127\.0\.0\.1:8001/ ],
    [ [ 'node', 'add', $long, '127.0.0.1:8003', '--zone', 'z1', '--capacity',
        1 ], 2, qr/is no node's name/ ],
    [ [ 'node', 'drain', 'n11' ], 1, qr/has no node "n11", nearest is "n1"/ ],
    [ [ 'node', 'remove', 'n1' ], 1, qr/node "n1" owns 2 shards/ ],
    [ [ 'migrate', 1, 'zzz' ], 1, qr/has no node "zzz": "shardctl nodes"/ ],
    [ [ 'migrate', 4, 'n2' ], 1, qr/has no shard 4: it has 4/ ],
    [ [ 'migrate', 'four', 'n2' ], 2, qr/"four" is no shard id/ ],
    [ [ 'migrate', 0, 'n1' ], 3, qr/shard 0 is on node "n1" already/ ],
    [ [ 'migrate', 0, 'n1', '--dry-run' ], 3, qr/shard 0 is on node "n1" already/ ],
    [ [ 'migrate', 0, 'n1', '--wait' ], 3, qr/shard 0 is on node "n1" already/ ],
    [ [ 'promote', 0, 'n1' ], 3, qr/shard 0 is on node "n1" already/ ],
    [ [ 'replicate', 0, 'n1' ], 1, qr/node "n1" has the primary of shard 0/ ],
    [ [ 'migrate', 2, 'n2', '--wait', '--timeout', 'soon' ], 2,
      qr/"--timeout soon": a time/ ],
    [ [ 'migrate', 2, 'n2', '--wait', '--timeout', '300ms' ], 1,
      qr/has not ended within 0 s.*does a shard-migrator run/ ],
    [ [ 'promote', 2 ], 1, qr/shard 2 has no standby: "shardctl replicate 2 NODE"/ ],
    [ [ 'split', 9 ], 1, qr/has no shard 9/ ],
    [ [ 'split', 0, '--at', '7' ], 2, qr/--at "7" is not 16 lower-case hex digits/ ],
    [ [ 'split', 0, '--at', 'ffffffffffffffff' ], 1,
      qr/ffffffffffffffff is not between the bounds of shard 0: "shardctl shards"/ ],
    [ [ 'split', 0, '--to', 'n9' ], 1, qr/has no node "n9"/ ],
    [ [ 'merge', 0, 2 ], 1, qr/shards 0 and 2 are no neighbours: "shardctl shards"/ ],
    [ [ 'rollback', '00000000000000aa' ], 1, qr/has no migration 00000000000000aa/ ],
    [ [ 'pause', 'xyz' ], 2, qr/16 hex digits/ ],
    [ [ 'override', 1 ], 2, qr/override 1 with what\?/ ],
    [ [ 'override', 1, 'pinn n1' ], 2, qr/"pinn".*"pin"/ ],
    [ [ 'override', 1, 'pin n7' ], 1, qr/has no node "n7", nearest is "n[12]"|has no node "n7": / ],
    [ [ 'override', 1, 'split n1=7000 n2=2000' ], 2, qr/override "split.*10000/ ],
    [ [ 'override', 1, 'drain' ], 1, qr/has no standby/ ],
    [ [ 'override', 1, 'hold until 2001-01-01T00:00Z' ], 1, qr/this time is over/ ],
    [ [ 'override', 1, 'hold until tomorrow' ], 2, qr/override "hold until/ ],
    [ [ 'override', 9, 'hold' ], 1, qr/has no shard 9/ ],
    [ [ 'override', '--clear', 3 ], 1, qr/shard 3 has no override/ ],
    [ [ 'override', '--clear', 3, 'hold' ], 2, qr/"?hold"?|takes nothing more/ ],
    [ [ 'policy', 'set' ], 2, qr/either the JSON or --file FILE/ ],
    [ [ 'policy', 'set', '{}', '--file', 'x' ], 2, qr/either the JSON or --file FILE/ ],
    [ [ 'policy', 'set', '--file', "$dir/none" ], 1, qr/cannot open "\S+none"/ ],
    [ [ 'policy', 'set', '7' ], 2, qr/a policy is a JSON object/ ],
    [ [ 'policy', 'set', '{"a":1,"a":2}' ], 2, qr/with each field once/ ],
    [ [ 'policy', 'set', '{"mirror":-1}' ], 2, qr/"mirror" is not a number from 0 to 10000: "-1"/ ],
    [ [ 'policy', 'set', '{"zone_distance":{"z1":1}}' ], 2, qr/"z1" of "zone_distance" is not two zones/ ],
    [ [ 'forecast', 1 ], 1, qr/no forecast of shard 1: shard-predictor/ ],
    [ [ 'forecast', 99 ], 1, qr/has no shard 99/ ],
    [ [ 'history', 'show', 0 ], 1, qr/no history: "shardctl history import"/ ],
    [ [ 'history', 'import', "$dir/none.csv" ], 1, qr/cannot open "\S+none\.csv"/ ],
    [ [ 'history', 'import', $dir ], 1, qr/cannot read "\Q$dir\E": Is a directory/ ],
    [ [ 'history', 'import', "$dir/fleet.csv" ], 1,
      qr/fleet\.csv:3:14: "x" is no number \(nothing was imported\)/ ],
    [ [ 'history', 'import', "$dir/back.csv" ], 1,
      qr/back\.csv:3:1: the time 1704067200 is not after the line before/ ],
    [ [ 'history', 'import', "$dir/fields.csv" ], 1,
      qr/fields\.csv:3:13: 2 fields where the first line has 3/ ],
    [ [ 'history', 'import', "$dir/wide.csv" ], 1,
      qr/wide\.csv:1:1: column 6 would be shard 4, which keyspace "orders" does not have/ ],
    [ [ 'history', 'import', "$dir/minus.csv", '--shard', 0 ], 1,
      qr/minus\.csv:2:12: -4 requests\/s are no load/ ],
    [ [ 'history', 'import', "$dir/ms.csv", '--shard', 0 ], 1,
      qr/ms\.csv:2:1: 1704067200000 is no time in seconds/ ],
    [ [ 'history', 'import', "$dir/head.csv", '--shard', 0 ], 1,
      qr/the file holds no data/ ],
    [ [ 'history', 'import', "$dir/zero.csv", '--shard', 0 ], 1,
      qr/zero\.csv:2:\d+: (a zero byte|"1" is no number)/ ],
    [ [ 'history', 'import', "$dir/good.csv" ], 2, qr/of which shard.*--shard ID/ ],
    [ [ 'history', 'import', "$dir/good.csv", '--shard', 77 ], 1,
      qr/has no shard 77/ ],
    [ [ 'history', 'import', "$dir/good.csv", '--shard', 0, '--days', '3-2' ], 2,
      qr/"--days 3-2": A-B is needed/ ],
    [ [ 'history', 'import', "$dir/good.csv", '--shard', 0, '--days', '5-6' ], 1,
      qr/nothing to import .*in these days/ ],
    [ [ 'history', 'import', "$dir/good.csv", '--shard', 0, '--shift-to',
        'then' ], 2, qr/"--shift-to then"/ ],
    [ [ 'history', 'import', "$dir/good.csv", '--shard', 0, '--format',
        'flet' ], 2, qr/nearest is "fleet"/ ],
    [ [ 'history', 'import', "$dir/quote.log" ], 1,
      qr/quote\.log:1:42: the quote that begins here does not end/ ],
    [ [ 'history', 'import', "$dir/time.log" ], 1,
      qr/time\.log:1:14: there is no time as/ ],
    [ [ 'history', 'import', "$dir/bare.log" ], 1,
      qr/no quoted field after the request/ ],
    [ [ 'history', 'import', "$dir/bare.log", '--key-field', '0' ], 2,
      qr/"--key-field 0": a field number/ ],
    [ [ 'history', 'import', "$dir/bare.log", '--key-field', '12' ], 1,
      qr/there is no field 12/ ],
);

my @place = (
    [ [ '--redis', "127.0.0.1:$dead", '-k', 'orders', 'status' ], 1,
      qr/127\.0\.0\.1:$dead: Connection refused.*--redis URL or SHARD_REDIS/ ],
    [ [ '--redis', "unix:$dir/none.sock", '-k', 'orders', 'nodes' ], 1,
      qr/none\.sock: No such file/ ],
    [ [ '--redis', '127.0.0.1:99999', '-k', 'orders', 'nodes' ], 2,
      qr/redis address "127\.0\.0\.1:99999" needs host:port/ ],
    [ [ '--redis', 'redis://', '-k', 'orders', 'nodes' ], 2,
      qr/redis address "redis:\/\/"/ ],
    [ [ '--redis', 'redis://:sesame@127.0.0.1:0', '-k', 'orders', 'nodes' ], 2,
      qr/\A(?!.*sesame).*redis address/s ],
    [ [ '--redis', $addr, 'status' ], 2, qr/which keyspace\? -k KEYSPACE/ ],
    [ [ '--redis', $addr, '-k', 'a b', 'status' ], 2, qr/"a b" is no keyspace's name/ ],
    [ [ '--redis', $addr, '-k', $long, 'status' ], 2, qr/is no keyspace's name/ ],
    [ [ '--redis', $addr, '-k', 'other', 'status' ], 1,
      qr/no table of keyspace "other".*shardctl init.*-k or SHARD_KEYSPACE/ ],
    [ [ @global, 'status', '--password-file', "$dir/none.pw" ], 1,
      qr/cannot open the password file "\S+none\.pw"/ ],
    [ [ @global, 'status', '--password-file', "$dir/empty.pw" ], 1,
      qr/the password file "\S+" is empty/ ],
);

delete @ENV{qw/ SHARD_REDIS SHARD_KEYSPACE /};

sub mistakes {
    for (@_) {
        my ($args, $want, $like, @with) = @$_;
        my ($status, $out, $err) = $t->run($t->program('shardctl'), @with,
                                           @$args);
        my $name = join(' ', map { s/^\Q$dir\E\///r } @$args) || '(nothing)';

        ok($status == $want && $err =~ $like && $out !~ /\S/
           || $status == $want && $err =~ $like && $name =~ /--wait/, $name)
            or diag("status $status, wanted $want\n$err$out");
    }
}

mistakes(map { [ @$_[0 .. 2], @global ] } @before);

$t->ctl('init', '--shards', 4, @two, '--driver', 'none');

my $before = join ' ', sort map { my $k = $_; $k } @{ $t->redis()->command('KEYS', '*rows*') };

mistakes(map { [ @$_[0 .. 2], @global ] } @after);
mistakes(@place);

is(join(' ', sort @{ $t->redis()->command('KEYS', '*rows*') }), $before,
   'no history was written by any of these');
is($t->ctl('status')->{version}, $t->version(), 'the table is as it was');


# with --json the failure is JSON as well

my ($status, $out) = $t->try_ctl('--json', 'migrate', 9, 'n1');
is(eval { decode_json($out)->{error}{code} }, 'failed', 'JSON of a failure');

($status, $out) = $t->try_ctl('--json', 'migrate', 0, 'n1');
is(eval { decode_json($out)->{error}{code} }, 'already_there',
   'JSON of what is so already, in the word of the HTTP API');

($status, $out) = $t->try_ctl('--json', 'migrate', 'x', 'n1');
is(eval { decode_json($out)->{error}{code} }, 'usage', 'JSON of wrong use');

# control characters of a mistake do not reach the terminal

my (undef, undef, $err) = $t->try_ctl("sta\e[31mtus");
unlike($err, qr/\e/, 'no escape sequence in a message');

$t->finish();

done_testing();

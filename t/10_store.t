#!/usr/bin/perl

# The store's claims and commits: the function library on a real Redis, call
# by call.  11_store_moves.t goes on with migrations and the C store.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use ShardTest;
use ShardTest::Store;

my $t = ShardTest->new(name => 'store');
$t->start_redis();

my $r = $t->redis();
my $library = $t->library();
my ($n1, $n2, $n3) = map { node($_) } 1 .. 3;
my $op = 0;

at($r, 'store');

library();
claims();
first_table();
fencing();
bad_arguments();
bad_records();
scopes();
cover();
epochs();
operations();
log_entries();
nodes_and_meta();
leases();
big_commit();

$t->finish();
done_testing();


sub commit_op {
    my ($id, $scope, $token, $holder, $version, @changes) = @_;

    return fcall('shard_commit', 6,
                 (map { k($_) } qw/ meta table nodes log claims /, "op:$id"),
                 $scope, $token, $holder, $version, $id, 'test', @changes);
}


sub commit { return commit_op('op-' . ++$op, @_) }


sub node {
    return qq!{"addr":"127.0.0.1:800$_[0]","zone":"z1",!
           . qq!"capacity":470.0,"state":"up"}!;
}


# JSON of a shard: range, primary, epoch; further fields or undef to omit

sub record {
    my ($lo, $hi, $primary, $epoch, %more) = @_;

    my %rec = (lo => $lo . '0' x (16 - length $lo),
               hi => $hi eq '' ? undef : $hi . '0' x (16 - length $hi),
               primary => $primary, epoch => $epoch, %more);

    for my $name (keys %more) {
        delete $rec{$name} if !defined $more{$name} && $name ne 'hi';
    }

    return JSON::PP->new->canonical->encode(\%rec);
}


# nothing may be written by a call that is refused

sub refused {
    my ($expected, $name, @commit) = @_;

    my $before = dump_all();
    my $got = commit(@commit);

    like($got, $expected, $name);
    is(dump_all(), $before, "$name: nothing was written");
}


sub dump_all {
    my @keys = sort @{ $r->command('KEYS', 'shard:*') };

    return join '|', map { my $d = $r->command('DUMP', $_);
                           "$_=" . unpack('H*', $d) } @keys;
}


sub library {
    is($r->command('FUNCTION', 'LOAD', $library), 'shard', 'library loads');
    is($r->command('FUNCTION', 'LOAD', 'REPLACE', $library), 'shard',
       'library is replaced');
    cmp_ok($r->command('FCALL', 'shard_library_version', 0), '>=', 1,
           'library has a version');
    cmp_ok($r->command('FCALL_RO', 'shard_library_version', 0), '>=', 1,
           'which is read without writing');

    my $header = slurp($t->top() . '/build/gen/shard_lua.h');
    my $text = join '', map { /^    "(.*)\\n"$/ ? "$1\n" : () }
                        split /\n/, $header;
    $text =~ s/\\(.)/$1/g;
    is($text, $library, 'the embedded text is the file');
}


sub claims {
    is(claim('keyspace', 'a'), 'ok 1', 'first claim has token 1');
    is(claim('keyspace', 'a'), 'ok 1', 'renewed, the token stays');
    like(claim('keyspace', 'b'), qr/^held a (\d+)$/, 'held by another');
    is(claim('nodes', 'b'), 'ok 2', 'tokens grow over scopes');
    is($r->command('HGET', k('meta'), 'token'), 2, 'meta.token');
    is($r->command('HGET', k('meta'), 'holder'), 'b', 'meta.holder');

    my ($left) = claim('keyspace', 'b') =~ /(\d+)$/;
    ok($left > 50000 && $left <= 60000, "time left is told: $left ms");

    is(release('nodes', 'a', 2), 'fenced 2 b', 'release by another');
    is(release('nodes', 'b', 1), 'fenced 2 b', 'release with an old token');
    is(release('nodes', 'b', 2), 'ok', 'release');
    is(release('nodes', 'b', 2), 'fenced 0 ', 'released twice');
    is(claim('nodes', 'b'), 'ok 3', 'a new claim has a new token');
    is(claim('predictor', 'p'), 'ok 4', 'scope predictor');
    is(claim('migrator:m-1', 'p'), 'ok 5', 'scope migrator');
    is(claim('shard:4294967294', 'p'), 'ok 6', 'the largest shard id');
    release(@$_) for ['nodes', 'b', 3], ['shard:4294967294', 'p', 6];

    for my $scope ('', 'shard', 'shard:', 'shard:01', 'shard:4294967295',
                   'shard:-1', 'node', 'migrator:', 'migrator:a b')
    {
        like(claim($scope, 'a'), qr/^bad scope/, "bad scope \"$scope\"");
    }

    for my $holder ('', 'a b', "a\n", 'x' x 64) {
        like(claim('nodes', $holder), qr/^bad holder/, 'bad holder');
    }

    for my $ttl (0, -1, '', 'x', 1e9, '1.5') {
        like(claim('nodes', 'a', $ttl), qr/^bad ttl/, "bad ttl \"$ttl\"");
    }

    like(fcall('shard_claim', 2, k('meta'), 'shard:{other}:claims', 'nodes',
               'a', 10), qr/^bad key 2 must be shard:\{store\}:claims/,
         'keys of two keyspaces');
    like(fcall('shard_claim', 2, 'meta', 'claims', 'nodes', 'a', 10),
         qr/^bad keys/, 'keys without a keyspace');
    like(fcall('shard_claim', 0), qr/^bad keys/, 'no keys');
}


sub first_table {
    my @shards = (shard => 0 => record('0', '8', 'n1', 1),
                  shard => 1 => record('8', '', 'n2', 1));

    refused(qr/^bad shard 0 primary n1 is no node/, 'a node nobody knows',
            'keyspace', 1, 'a', 0, @shards);
    refused(qr/^bad shards would leave a gap/, 'a first table with a gap',
            'keyspace', 1, 'a', 0, node => n1 => $n1, @shards[0 .. 2]);
    is(commit('keyspace', 1, 'a', 0, meta => kind => 'hash',
              node => n1 => $n1, node => n2 => $n2, @shards), 'ok 1',
       'the first table');
    is(version(), 1, 'version 1');
    is($r->command('HGET', k('table'), 0), $shards[2],
       'the JSON is stored as it was given');
    is($r->command('HGET', k('nodes'), 'n2'), $n2, 'so is a node');
    is($r->command('HGET', k('meta'), 'kind'), 'hash', 'so is the kind');
}


sub fencing {
    my @change = (node => n3 => $n3);

    refused(qr/^fenced 1 a$/, 'a stale token', 'keyspace', 0, 'a', 1,
            @change);
    refused(qr/^fenced 1 a$/, 'a token of the future', 'keyspace', 2, 'a', 1,
            @change);
    refused(qr/^fenced 1 a$/, 'an equal token of another holder', 'keyspace',
            1, 'b', 1, @change);
    refused(qr/^fenced 0 $/, 'a scope nobody claimed', 'nodes', 1, 'a', 1,
            @change);
    refused(qr/^conflict 1$/, 'an old version', 'keyspace', 1, 'a', 0,
            @change);
    refused(qr/^conflict 1$/, 'a version of the future', 'keyspace', 1, 'a',
            2, @change);
    is(commit('keyspace', 1, 'a', -1, @change), 'ok 2', 'any version');
    is(commit('keyspace', 1, 'a', 2, @change), 'ok 3', 'the right version');
}


sub bad_arguments {
    my @change = (node => n3 => $n3);

    refused(qr/^bad arguments/, 'no change', 'keyspace', 1, 'a', -1);
    refused(qr/^bad arguments/, 'half a change', 'keyspace', 1, 'a', -1,
            'node', 'n3');
    refused(qr/^bad token/, 'a token that is no number', 'keyspace', 'x',
            'a', -1, @change);
    refused(qr/^bad version/, 'a version that is no number', 'keyspace', 1,
            'a', '-2', @change);
    refused(qr/^bad version/, 'a version above 2^53', 'keyspace', 1, 'a',
            '9007199254740993', @change);
    refused(qr/^bad kind nodes/, 'an unknown kind', 'keyspace', 1, 'a', -1,
            nodes => n3 => $n3);
    refused(qr/^bad node n3 is changed twice/, 'one record twice',
            'keyspace', 1, 'a', -1, @change, @change);
    like(commit_op('a b', 'keyspace', 1, 'a', -1, @change),
         qr/^bad operation/, 'a bad operation id');
    like(fcall('shard_commit', 6,
               (map { k($_) } qw/ meta table nodes log claims op:x /),
               'keyspace', 1, 'a', -1, 'y', 'test', @change),
         qr/^bad key 6/, 'the key of another operation');
}


sub bad_records {
    my $good = record('0', '8', 'n1', 1);
    my @tests = (
        ['{', 'is not a JSON object', 'no JSON'],
        ['[1]', 'is not a JSON object', 'an array'],
        ['7', 'is not a JSON object', 'a number'],
        ["$good x", 'is not a JSON object', 'text behind the object'],
        [' ' x 9000, 'is longer', 'too long'],
        [$good =~ s/}$/,"epoch":1}/r, 'has a field twice', 'a field twice'],
        [record('0', '8', 'n1', 1, lo => undef), 'lo must', 'no lo'],
        [record('0', '8', 'n1', 1, lo => 5), 'lo must', 'lo a number'],
        [record('0', '8', 'n1', 1, lo => 'A' x 16), 'lo must', 'upper case'],
        [record('0', '8', 'n1', 1, hi => 'x'), 'hi must', 'hi no hex'],
        [$good =~ s/"hi":"\w+",//r, 'hi must', 'no hi'],
        [record('8', '8', 'n1', 1), 'hi must be behind', 'empty range'],
        [record('0', '8', '', 1), 'primary must', 'no primary name'],
        [record('0', '8', 'nx', 1), 'primary nx is no node', 'no node'],
        [record('0', '8', 'n1', '1'), 'epoch must', 'epoch a string'],
        [record('0', '8', 'n1', -1), 'epoch must', 'a negative epoch'],
        [record('0', '8', 'n1', 1.5), 'epoch must', 'half an epoch'],
        [record('0', '8', 'n1', 4294967296), 'epoch must', 'epoch 2^32'],
        [$good =~ s/"epoch":1/"epoch":0x1/r, 'epoch must', 'epoch 0x1'],
        [record('0', '8', 'n1', 1, phase => 'moving'), 'phase must', 'phase'],
        [record('0', '8', 'n1', 1, consistency => 1), 'consistency must',
         'consistency'],
        [record('0', '8', 'n1', 1, strategy => 'copy'), 'strategy must',
         'strategy'],
        [record('0', '8', 'n1', 1, standbys => 'n2'), 'standbys must',
         'standbys no list'],
        [record('0', '8', 'n1', 1, standbys => ['n1', 'n2', 'n3', 'n1']),
         'standbys must', 'four standbys'],
        [record('0', '8', 'n1', 1, standbys => ['nx']),
         'standby nx is no node', 'a standby nobody knows'],
        [record('0', '8', 'n1', 1, standbys => ['n1']),
         'standby n1 is the primary', 'its own standby'],
        [record('0', '8', 'n1', 1, standbys => ['n2', 'n2']),
         'standby n2 is named twice', 'a standby twice'],
        [record('0', '8', 'n1', 1, target => 'n1'),
         'target n1 is the primary', 'onto itself'],
        [record('0', '8', 'n1', 1, target => 'nx'), 'target nx is no node',
         'a target nobody knows'],
        [record('0', '8', 'n1', 1, shift => 10001), 'shift must', 'shift'],
        [record('0', '8', 'n1', 1, migration => 'x'), 'migration must',
         'migration'],
        [record('0', '8', 'n1', 1, phase => 'shifting'),
         'phase shifting needs', 'shifting to nowhere'],
    );

    for my $test (@tests) {
        my ($json, $reason, $name) = @$test;

        refused(qr/^bad shard 0 $reason/, "bad record: $name", 'keyspace', 1,
                'a', -1, node => n1 => $n1, shard => 0 => $json);
    }

    for my $id ('', '01', '-1', 'x', '4294967295') {
        refused(qr/^bad shard \S* ?is no shard id/, "bad shard id \"$id\"",
                'keyspace', 1, 'a', -1, shard => $id => $good);
    }

    is(commit('keyspace', 1, 'a', -1,
              shard => 0 => $good =~ s/}$/,"future":{"lo":[1]}}/r),
       'ok ' . version(), 'an unknown field is kept');
}


sub scopes {
    my $token = token('shard:1', 'm');
    my $shard1 = record('8', '', 'n2', 1, phase => 'held');

    is(commit('shard:1', $token, 'm', -1, shard => 1 => $shard1),
       'ok ' . version(), 'scope of one shard');
    refused(qr/^bad shard 0 is outside of scope shard:1/, 'another shard',
            'shard:1', $token, 'm', -1,
            shard => 0 => record('0', '8', 'n1', 1));
    refused(qr/^bad node n3 is outside of scope shard:1/, 'a node',
            'shard:1', $token, 'm', -1, node => n3 => $n3);
    refused(qr/^bad meta policy is outside of scope shard:1/, 'the policy',
            'shard:1', $token, 'm', -1, meta => policy => '{}');
    refused(qr/^bad shards would leave a gap/, 'a shard deletes itself',
            'shard:1', $token, 'm', -1, shard => 1 => '');
    refused(qr/^bad shards would leave a gap/, 'a shard grows', 'shard:1',
            $token, 'm', -1, shard => 1 => record('7', '', 'n2', 1));
    refused(qr/^bad shard 1 is claimed by m for \d+ ms more/,
            'the keyspace, a shard claimed by another', 'keyspace', 1, 'a',
            -1, shard => 1 => record('8', '', 'n1', 2));
    is(commit('keyspace', 1, 'a', -1,
              shard => 0 => record('0', '8', 'n1', 1)),
       'ok ' . version(), 'the keyspace, a free shard');

    my $nodes = token('nodes', 'o');

    is(commit('nodes', $nodes, 'o', -1, node => n3 => $n3),
       'ok ' . version(), 'scope nodes');
    refused(qr/^bad shard 0 is outside of scope nodes/, 'nodes, a shard',
            'nodes', $nodes, 'o', -1,
            shard => 0 => record('0', '8', 'n1', 1));
    refused(qr/^bad meta policy is outside/, 'nodes, the policy', 'nodes',
            $nodes, 'o', -1, meta => policy => '{}');
    refused(qr/^bad node n3 is outside of scope predictor/,
            'scope predictor writes no table', 'predictor', 4, 'p', -1,
            node => n3 => $n3);

    is(release('shard:1', 'm', $token), 'ok', 'shard 1 is let go');
    refused(qr/^fenced 0 $/, 'after its release', 'shard:1', $token, 'm', -1,
            shard => 1 => $shard1);
}


sub cover {
    my @split = (shard => 1 => record('8', 'c', 'n2', 1),
                 shard => 2 => record('c', '', 'n2', 1));

    is(commit('keyspace', 1, 'a', -1, @split), 'ok ' . version(), 'a split');
    refused(qr/^bad shards overlap at a0/, 'an overlap', 'keyspace', 1, 'a',
            -1, shard => 1 => record('8', 'c', 'n2', 1),
            shard => 2 => record('a', '', 'n2', 1));
    refused(qr/^bad shards would leave/, 'a gap', 'keyspace', 1, 'a', -1,
            shard => 2 => record('d', '', 'n2', 1));
    refused(qr/^bad shards would leave/, 'an overlap with one unchanged',
            'keyspace', 1, 'a', -1, shard => 3 => record('c', '', 'n2', 1));
    refused(qr/^bad shard 9 does not exist/, 'deleting what is not there',
            'keyspace', 1, 'a', -1, shard => 9 => '');
    refused(qr/^bad shards would leave/, 'deleting all', 'keyspace', 1, 'a',
            -1, map { (shard => $_ => '') } 0 .. 2);
    is(commit('keyspace', 1, 'a', -1,
              shard => 1 => record('8', '', 'n2', 1), shard => 2 => ''),
       'ok ' . version(), 'a merge');
    is($r->command('HEXISTS', k('table'), 2), 0, 'the merged one is gone');
}


sub epochs {
    is(commit('keyspace', 1, 'a', -1,
              shard => 1 => record('8', '', 'n2', 5)),
       'ok ' . version(), 'a greater epoch');
    refused(qr/^bad shard 1 epoch 4 is behind 5/, 'a smaller epoch',
            'keyspace', 1, 'a', -1, shard => 1 => record('8', '', 'n2', 4));
    refused(qr/^bad shard 1 primary changes from n2 to n1/,
            'a new owner of the old epoch', 'keyspace', 1, 'a', -1,
            shard => 1 => record('8', '', 'n1', 5));
    is(commit('keyspace', 1, 'a', -1,
              shard => 1 => record('8', '', 'n1', 6)),
       'ok ' . version(), 'a new owner of a new epoch');
}


sub operations {
    my @change = (node => n3 => $n3);

    my $got = commit_op('once', 'keyspace', 1, 'a', -1, @change);
    my $version = version();
    is($got, "ok $version", 'an operation');

    my $before = dump_all();
    is(commit_op('once', 'keyspace', 1, 'a', -1, @change),
       "duplicate $version", 'the same again');
    is(commit_op('once', 'keyspace', 1, 'a', 1, @change),
       "duplicate $version", 'before its old version is looked at');
    is(commit_op('once', 'keyspace', 7, 'a', -1, @change), 'fenced 1 a',
       'but after the fence');
    is(dump_all(), $before, 'it was done once');

    my $ttl = $r->command('TTL', k('op:once'));
    ok($ttl > 86000 && $ttl <= 86400, 'remembered for a day');
}


sub log_entries {
    my $json = record('8', '', 'n1', 6, phase => 'held');

    is(commit_op('logged', 'keyspace', 1, 'a', -1, shard => 1 => $json,
                 node => n4 => $n3, meta => policy => '{"a":{"a":1}}'),
       'ok ' . version(), 'three changes');

    my $entry = $r->command('XREVRANGE', k('log'), '+', '-', 'COUNT', 1)->[0];

    is($entry->[0], version() . '-0', 'the log id is the version');
    is_deeply($entry->[1],
              [ by => 'test', op => 'logged', 'shard:1' => $json,
                'node:n4' => $n3, 'meta:policy' => '{"a":{"a":1}}' ],
              'fields in order');

    commit('keyspace', 1, 'a', -1, node => n4 => '');
    $entry = $r->command('XREVRANGE', k('log'), '+', '-', 'COUNT', 1)->[0];
    is_deeply([ @{ $entry->[1] }[4, 5] ], [ 'node:n4', '' ],
              'a deletion is empty');

    my @ids = map { $_->[0] =~ /^(\d+)-0$/ ? $1 : 'bad' }
                  @{ $r->command('XRANGE', k('log'), '-', '+') };
    is_deeply(\@ids, [ 1 .. version() ], 'every version once');

    # a log ahead of the version refuses, and nothing is written
    my $ahead = version() + 5;
    $r->command('COPY', k('log'), k('saved'));
    $r->command('XADD', k('log'), "$ahead-0", 'x', 'y');
    refused(qr/^bad log refuses entry/, 'a log that is ahead', 'keyspace', 1,
            'a', -1, node => n3 => $n3);
    $r->command('RENAME', k('saved'), k('log'));
}


sub nodes_and_meta {
    my @tests = (
        ['{', 'is not a JSON object'],
        [$n3 =~ s/"addr":"[^"]*",//r, 'addr must'],
        [$n3 =~ s/127.0.0.1:8003/nowhere/r, 'addr must'],
        [$n3 =~ s/127.0.0.1:8003/unix:x/r, 'addr must'],
        [$n3 =~ s/"z1"/"z 1"/r, 'zone must'],
        [$n3 =~ s/470.0/0/r, 'capacity must'],
        [$n3 =~ s/470.0/-1/r, 'capacity must'],
        [$n3 =~ s/470.0/0.0000001/r, 'capacity must'],
        [$n3 =~ s/470.0/1000000001/r, 'capacity must'],
        [$n3 =~ s/470.0/"470"/r, 'capacity must'],
        [$n3 =~ s/470.0/1e999/r, 'capacity must'],
        [$n3 =~ s/470.0/nan/r, '(is not a JSON|capacity must)'],
        [$n3 =~ s/"up"/"gone"/r, 'state must'],
    );

    for my $test (@tests) {
        refused(qr/^bad node n3 $test->[1]/, "bad node $test->[0]",
                'keyspace', 1, 'a', -1, node => n3 => $test->[0]);
    }

    refused(qr/^bad node n 3 is no node name/, 'a bad name', 'keyspace', 1,
            'a', -1, node => 'n 3' => $n3);
    refused(qr/^bad node n1 serves shard/, 'a node in use is deleted',
            'keyspace', 1, 'a', -1, node => n1 => '');
    is(commit('keyspace', 1, 'a', -1, node => n3 => ''), 'ok ' . version(),
       'a free node is deleted');
    is(commit('keyspace', 1, 'a', -1, node => n3 => $n3), 'ok ' . version(),
       'and comes back');
    refused(qr/^bad meta kind must be hash, range/, 'kind', 'keyspace', 1, 'a',
            -1, meta => kind => 'range');
    refused(qr/^bad meta version is none of/, 'version is not for writers',
            'keyspace', 1, 'a', -1, meta => version => 7);
    refused(qr/^bad meta policy is not a JSON/, 'policy', 'keyspace', 1, 'a',
            -1, meta => policy => '{x}');
}


# by the clock of Redis

sub lease_over {
    my ($scope) = @_;

    my ($until) = $r->command('HGET', k('claims'), $scope) =~ / (\d+)$/;
    my ($s, $us) = @{ $r->command('TIME') };

    return $s * 1000 + int($us / 1000) > $until;
}


sub leases {
    is(claim('shard:0', 'm1', 1) =~ /^ok (\d+)/, 1, 'a lease of 1 ms');

    my ($old) = claim('shard:0', 'm1', 1) =~ /(\d+)/;
    my $json = record('0', '8', 'n1', 1);

    wait_for { lease_over('shard:0') } 1, 'the lease ends';

    is(commit('shard:0', $old, 'm1', -1, shard => 0 => $json),
       'ok ' . version(), 'ran out, not taken: still good');

    my $got = claim('shard:0', 'm2');
    like($got, qr/^ok \d+$/, 'taken by another');
    my ($new) = $got =~ /(\d+)/;
    cmp_ok($new, '>', $old, 'with a new token');
    refused(qr/^fenced $new m2/, 'the old holder', 'shard:0', $old, 'm1', -1,
            shard => 0 => $json);
    is(release('shard:0', 'm2', $new), 'ok', 'let go');

    ($old) = claim('shard:0', 'm1', 1) =~ /(\d+)/;
    wait_for { lease_over('shard:0') } 1, 'the lease ends';
    is(commit('keyspace', 1, 'a', -1, shard => 0 => $json),
       'ok ' . version(), 'the keyspace, a shard whose lease ran out');
    refused(qr/^fenced 0 /, 'which ends its claim', 'shard:0', $old, 'm1', -1,
            shard => 0 => $json);
}


# more changes than an entry of the log takes: one version is left out

sub big_commit {
    my $n = 1500;
    my $before = version();
    my @lo = map { sprintf '%016x', int($_ * 2 ** 52 / $n) << 12 } 0 .. $n - 1;
    my @changes = map { (shard => $_ => record($lo[$_],
                         $_ < $n - 1 ? $lo[$_ + 1] : '', 'n1', 7)) }
                      0 .. $n - 1;

    is(commit('keyspace', 1, 'a', -1, @changes), 'ok ' . ($before + 2),
       "$n shards at once");
    is($r->command('HLEN', k('table')), $n, 'all are there');

    my $entry = $r->command('XREVRANGE', k('log'), '+', '-', 'COUNT', 1)->[0];
    is($entry->[0], $before + 2 . '-0', 'the log has a gap');
    is(scalar @{ $entry->[1] }, 4, 'and an entry without changes');
}

#!/usr/bin/perl

# Tables of every kind by the function library: what a record may hold, that
# all keys are held once, that a table cannot turn into one of another kind.
# 10_store.t has what is the same for all kinds.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use ShardTest;
use ShardTest::Store;

my $t = ShardTest->new(name => 'kinds');
$t->start_redis();

my $r = $t->redis();
my $n1 = '{"addr":"127.0.0.1:8001","zone":"z1","capacity":470.0,"state":"up"}';
my $token;
my $op = 0;

$r->command('FUNCTION', 'LOAD', $t->library());

numbers();
bounds();
lists();
units_of_others();
turning();
scopes();

$t->finish();
done_testing();


sub keyspace {
    at($r, $_[0]);
    $token = token('keyspace', 'a');
}


sub commit_as {
    my ($scope, $as, @changes) = @_;

    my $id = 'op-' . ++$op;
    return fcall('shard_commit', 6,
                 (map { k($_) } qw/ meta table nodes log claims /, "op:$id"),
                 $scope, $as, 'a', -1, $id, 'test', @changes);
}


sub commit { return commit_as('keyspace', $token, @_) }


# the rest of a record

sub record {
    my (%holds) = @_;

    return JSON::PP->new->canonical->encode({ primary => 'n1', epoch => 1,
                                              %holds });
}


sub range {
    my ($lo, $hi, %more) = @_;
    return record(lo => $lo, hi => $hi, %more);
}


sub units {
    my ($units, %more) = @_;
    return record(units => $units, %more);
}


sub fallback { return units($_[0], default => JSON::PP::true) }


sub refused {
    my ($expected, $name, @changes) = @_;

    my $before = dump_all();
    like(commit(@changes), $expected, $name);
    is(dump_all(), $before, "$name: nothing was written");
}


sub dump_all {
    my @keys = sort @{ $r->command('KEYS', 'shard:*') };

    return join '|', map { my $d = $r->command('DUMP', $_);
                           "$_=" . unpack('H*', $d) } @keys;
}


sub hex16 { return sprintf '%016x', $_[0] }


sub numbers {
    keyspace('numbers');

    my @first = (meta => kind => 'range uint64', node => n1 => $n1);

    refused(qr/^bad shards would leave a gap or an overlap near 0+3e8$/,
            'a gap of numbers', @first,
            shard => 0 => range(hex16(0), hex16(1000)),
            shard => 1 => range(hex16(1001), undef));
    refused(qr/^bad shard 0 units has no place in a range uint64 keyspace/,
            'units of a range', @first,
            shard => 0 => range(hex16(0), undef, units => ['a']));
    refused(qr/^bad shard 0 lo must be 16/, 'a bound that is decimal',
            @first, shard => 0 => range('0', undef));
    refused(qr/^bad shard 0 default has no place/, 'a default of a range',
            @first,
            shard => 0 => range(hex16(0), undef, default => JSON::PP::false));
    is(commit(@first, shard => 0 => range(hex16(0), hex16(1000)),
              shard => 1 => range(hex16(1000), undef)), 'ok 2',
       'a table of numbers, not in the log');
    is($r->command('HGET', k('meta'), 'kind'), 'range uint64', 'its kind');
    refused(qr/^bad shards overlap at 0+3e7/, 'an overlap of numbers',
            shard => 0 => range(hex16(0), hex16(1000)),
            shard => 1 => range(hex16(999), undef));
    is(commit(shard => 1 => range(hex16(1000), hex16(5000)),
              shard => 2 => range(hex16(5000), undef)), 'ok 3', 'a split');
}


sub bounds {
    keyspace('bytes');

    my @first = (meta => kind => 'range bytes', node => n1 => $n1);

    for my $bad ([ 'no text', 5, 'lo must' ], [ 'null', undef, 'lo must' ],
                 [ 'half a byte', '%c', 'lo must' ],
                 [ 'upper case', '%C3', 'lo must' ],
                 [ 'a plain byte', '%61', 'lo must' ],
                 [ 'a raw byte', "\x{e4}", 'lo must' ],
                 [ 'a control', "a\tb", 'has an escape' ],
                 [ 'a quote', 'a"b', 'has an escape' ],
                 [ '65 bytes', 'x' x 65, 'lo must' ],
                 [ '65 bytes as text', '%ff' x 65, 'lo must' ])
    {
        my ($name, $lo, $why) = @$bad;

        refused(qr/^bad shard 1 $why/, "a bound: $name", @first,
                shard => 0 => range('', 'a'), shard => 1 => range($lo, undef));
    }

    refused(qr/^bad shard 0 hi must be 1 to 64/, 'an empty upper bound',
            @first, shard => 0 => range('', ''));
    refused(qr/^bad shard 1 hi must be behind lo/, 'an empty range', @first,
            shard => 0 => range('', 'a'), shard => 1 => range('a', 'a'));
    refused(qr/^bad shard 1 hi must be behind lo/, 'bytes, not letters',
            @first, shard => 0 => range('', 'a'),
            shard => 1 => range('a', 'Z'));
    refused(qr/^bad shard 1 hi must be behind lo/, 'bytes are unsigned',
            @first, shard => 0 => range('', '%80'),
            shard => 1 => range('%80', '~'));
    refused(qr/^bad shard 0 units has no place in a range bytes/, 'units',
            @first, shard => 0 => range('', undef, units => ['a']));
    refused(qr/^bad shards would leave a gap or an overlap near the lowest key$/,
            'a first shard that begins late', @first,
            shard => 0 => range('a', undef));
    refused(qr/^bad shards would leave a gap or an overlap near "b"$/,
            'a gap of names', @first, shard => 0 => range('', 'b'),
            shard => 1 => range('b%00', undef));
    refused(qr/^bad shards overlap at "b%22"/, 'an overlap of names', @first,
            shard => 0 => range('', 'ba'), shard => 1 => range('b%22', undef));

    is(commit(@first, shard => 0 => range('', '2026-01'),
              shard => 1 => range('2026-01', '2026-02'),
              shard => 2 => range('2026-02', 'a:b'),
              shard => 3 => range('a:b', '%c3%a4%00'),
              shard => 4 => range('%c3%a4%00', undef)), 'ok 2',
       'a table of names');

    is(commit(shard => 0 => range('', '%00'),
              shard => 9 => range('%00', '2026-01')), 'ok 3',
       'a split by a zero byte');
    is(commit(shard => 0 => range('', '2026-01'), shard => 9 => ''), 'ok 4',
       'a merge');
    refused(qr/^bad shards would leave/, 'a bound moves alone',
            shard => 1 => range('2026-01', '2026-03'));
    is(commit(shard => 1 => range('2026-01', '2026-02', phase => 'held')),
       'ok 5', 'a change of something else');
}


sub lists {
    keyspace('lists');

    my @first = (meta => kind => 'list', node => n1 => $n1);
    my @all = (shard => 9 => fallback([]));

    for my $bad ([ 'no list', 'a', 'units must be 1 to 32' ],
                 [ 'an object', { a => 'b' }, 'has a field twice' ],
                 [ 'an empty object', {}, 'units must be 1 to 32' ],
                 [ 'null', undef, 'units must be 1 to 32' ],
                 [ 'no names', [], 'units must be 1 to 32' ],
                 [ 'a number', [ 1 ], 'units must be names' ],
                 [ 'a list', [ [ 'a' ] ], 'units must be names' ],
                 [ 'an empty name', [ '' ], 'units must be names' ],
                 [ 'a bad byte', [ '%41' ], 'units must be names' ],
                 [ '65 bytes', [ 'x' x 65 ], 'units must be names' ],
                 [ '33 names', [ 1 .. 33 ], 'units must be' ],
                 [ 'a name twice', [ 'a', 'b', 'a' ], 'unit a is named twice' ])
    {
        my ($name, $units, $why) = @$bad;

        refused(qr/^bad shard 0 $why/, "units: $name", @first, @all,
                shard => 0 => units($units));
    }

    refused(qr/^bad shard 0 units must be 1 to 32/, 'no units at all', @first,
            @all, shard => 0 => record());
    refused(qr/^bad shard 0 units must be 1 to 32/, 'more than 32 names',
            @first, @all, shard => 0 => units([ map { "u$_" } 1 .. 33 ]));
    refused(qr/^bad shard 0 default must be true or false/, 'a default of 1',
            @first, @all, shard => 0 => units([ 'a' ], default => 1));
    refused(qr/^bad shard 0 lo has no place in a list keyspace/, 'lo', @first,
            @all, shard => 0 => units([ 'a' ], lo => hex16(0)));
    refused(qr/^bad shard 0 hi has no place in a list keyspace/, 'hi', @first,
            @all, shard => 0 => units([ 'a' ], hi => undef));
    refused(qr/^bad shards would not have exactly one default/, 'no default',
            @first, shard => 0 => units([ 'a' ]));
    refused(qr/^bad shards would not have exactly one default/, 'two defaults',
            @first, @all, shard => 0 => fallback([ 'a' ]));
    refused(qr/^bad unit a would be of shards 0 and 1/, 'a unit of two',
            @first, @all, shard => 0 => units([ 'a', 'b' ]),
            shard => 1 => units([ 'c', 'a' ]));

    is(commit(@first, @all, shard => 0 => units([ 'a', ':b', 'c]' ]),
              shard => 1 => units([ '%c3%a4', map { "u$_" } 1 .. 31 ])),
       'ok 2', 'a list');
}


# checks beyond the shards of a commit

sub units_of_others {
    is(commit(shard => 0 => units([ 'a', ':b', 'c]' ], phase => 'held')),
       'ok 3', 'a change of something else');
    refused(qr/^bad unit u7 would be of shards 1 and 0$/,
            'a unit of a shard that does not change',
            shard => 0 => units([ 'a', 'u7' ]));
    is(commit(shard => 0 => units([ 'a', 'u' ])), 'ok 4',
       'a name within another');
    is(commit(shard => 0 => units([ 'a' ]),
              shard => 1 => units([ 'u', 'u1' ])), 'ok 5', 'a unit moves');
    is(commit(shard => 2 => units([ ':b' ])), 'ok 6', 'a new shard');
    refused(qr/^bad unit :b would be of shards 2 and 3/, 'its unit again',
            shard => 3 => units([ ':b' ]));
    refused(qr/^bad shards would not have exactly one default/,
            'a second default', shard => 2 => fallback([ ':b' ]));
    refused(qr/^bad shards would not have exactly one default/,
            'the default goes', shard => 9 => '');
    is(commit(shard => 2 => fallback([ ':b' ]),
              shard => 9 => units([ 'z' ])), 'ok 7', 'the default moves');
    is(commit(shard => 9 => ''), 'ok 8', 'a shard goes, its names fall back');
}


sub turning {
    refused(qr/^bad meta kind must be list while shards are there/,
            'another kind', meta => kind => 'hash');
    refused(qr/^bad meta kind must be hash, range uint64/, 'no kind',
            meta => kind => 'range');
    refused(qr/^bad meta kind must be list while shards are there/,
            'another kind, one shard left', meta => kind => 'hash',
            shard => 0 => range(hex16(0), undef), shard => 1 => '');
    refused(qr/^bad shard 0 units has no place/, 'another kind, old records',
            meta => kind => 'hash', shard => 0 => units([ 'a' ]),
            shard => 1 => '', shard => 2 => '');
    refused(qr/^bad shard 0 epoch 0 is behind 1/, 'another kind, old epochs',
            meta => kind => 'hash', shard => 1 => '', shard => 2 => '',
            shard => 0 => range(hex16(0), undef, epoch => 0));

    is(commit(meta => kind => 'list'), 'ok 9', 'the same kind is no change');
    is(commit(meta => kind => 'hash', shard => 0 => range(hex16(0), undef),
              shard => 1 => '', shard => 2 => ''), 'ok 11',
       'another kind with every shard');
    is($r->command('HGET', k('meta'), 'kind'), 'hash', 'its kind');

    my $entry = $r->command('XREVRANGE', k('log'), '+', '-', 'COUNT', 1)->[0];
    is_deeply([ $entry->[0], scalar @{ $entry->[1] } ], [ '11-0', 4 ],
              'readers must read it whole');

    keyspace('turned');
    is(commit(meta => kind => 'list'), 'ok 2', 'a kind without shards');
    is(commit(meta => kind => 'range bytes'), 'ok 4', 'may be another');
    $r->command('HSET', k('meta'), 'kind', 'rnage');
    like(commit(node => n1 => $n1), qr/^bad meta.kind is none of/,
         'a damaged kind');
}


sub scopes {
    keyspace('scopes');

    is(commit(meta => kind => 'list', node => n1 => $n1,
              shard => 0 => units([ 'a', 'b' ]), shard => 1 => fallback([])),
       'ok 2', 'a list');

    my $one = token('shard:0', 'a');
    my @of = ('shard:0', $one);

    is(commit_as(@of, shard => 0 => units([ 'b', 'a' ], phase => 'held')),
       'ok 3', 'a shard\'s holder');
    like(commit_as(@of, shard => 0 => units([ 'a', 'b', 'c' ])),
         qr/^bad units would change, which is outside of scope shard:0/,
         'takes no units');
    like(commit_as(@of, shard => 0 => units([ 'a' ])),
         qr/^bad units would change/, 'and gives none up');
    like(commit_as(@of, shard => 0 => ''), qr/^bad units would change/,
         'nor all');
    is(version(), 3, 'nothing of it was written');

    $r->command('HSET', k('table'), 1, '{"epoch":1,"primary":"n1"}');
    like(commit(shard => 1 => fallback([])), qr/^bad shard 1 is damaged/,
         'a damaged record');
}

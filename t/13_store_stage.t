#!/usr/bin/perl

# A whole new table in pieces: what of it is refused when, that nobody sees
# it before its end, and that nothing of it stays when it does not come to
# its end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use ShardTest;
use ShardTest::Store;

my $t = ShardTest->new(name => 'stage');
$t->start_redis();

my $r = $t->redis();
my @node = (node => n1 => '{"addr":"127.0.0.1:8001","zone":"z1",'
                          . '"capacity":470.0,"state":"up"}');
my ($token, $op) = (0, 0);
my @stages = ('stage', 'stage:table', 'stage:nodes', 'stage:units');

$r->command('FUNCTION', 'LOAD', $t->library());
at($r, 'stage');
$token = token('keyspace', 'a');

first();
pieces();
replaces();
claimed();
left();
kinds();
random();

$t->finish();
done_testing();


sub stage_as {
    my ($holder, $as, $version, $seq, $kind, @changes) = @_;

    return fcall('shard_stage', 7, (map { k($_) } qw/ meta table claims /,
                 @stages), $as, $holder, $version, $seq, $kind, @changes);
}


sub stage { return stage_as('a', $token, version(), @_) }


sub finish_as {
    my ($holder, $as, $version, $seq, $policy, $id) = @_;

    $id ||= 'op-' . ++$op;

    return fcall('shard_stage_commit', 10,
                 (map { k($_) } qw/ meta table nodes log claims /, "op:$id",
                  @stages), $as, $holder, $version, $id, 'test', $seq,
                 defined $policy ? $policy : '{"a":1}');
}


sub finish { return finish_as('a', $token, version(), @_) }


sub record {
    my (%holds) = @_;

    return JSON::PP->new->canonical->encode({ primary => 'n1', epoch => 1,
                                              %holds });
}


sub hash { return record(lo => $_[0] . '0' x 15,
                         hi => $_[1] eq '' ? undef : $_[1] . '0' x 15,
                         @_[2 .. $#_]) }


# what readers see

sub table {
    my %all = @{ $r->command('HGETALL', k('table')) };

    return join ' ', version(), map { "$_=$all{$_}" } sort keys %all;
}


sub staged { return $r->command('EXISTS', map { k($_) } @stages) }


sub first {
    like(stage(0, 'hash', shard => 0 => hash(0, '')),
         qr/^bad shard 0 primary n1 is no node/, 'nodes come first');
    like(stage(0, 'hsah', @node), qr/^bad kind hsah is no kind/, 'a bad kind');
    like(stage(0, 'hash'), qr/^bad arguments/, 'no changes');
    like(stage('x', 'hash', @node), qr/^bad version and seq/, 'a bad seq');
    like(stage(0, 'hash', meta => kind => 'hash'), qr/is neither shard nor/,
         'no meta');
    like(stage(0, 'hash', node => 'n 1' => $node[2]), qr/is no node name/,
         'a bad node');
    like(stage(0, 'hash', node => n1 => '{}'), qr/^bad node n1 addr must/,
         'a bad node record');
    like(stage_as('b', $token, 0, 0, 'hash', @node), qr/^fenced $token a/,
         'the claim of another');
    is(staged(), 0, 'nothing is staged');
    is(finish(0), 'conflict 0', 'nothing to commit');

    is(stage(0, 'hash', @node, shard => 0 => hash(0, 8)), 'ok 2', 'a piece');
    is(finish(2), 'bad shards would leave a gap from the end of the last one',
       'half a table');
    is(stage(2, 'hash', shard => 1 => hash(8, '')), 'ok 3', 'the last piece');
    is(table(), '0', 'nobody sees it');
    is(finish(2), 'conflict 3', 'another seq');
    like(finish(3, '{'), qr/^bad meta policy is not a JSON/, 'a bad policy');
    is(finish(3, undef, 'once'), 'ok 2', 'it is the table');
    is(finish(3, undef, 'once'), 'duplicate 2', 'the same operation again');
    like(finish(3), qr/^conflict 0/, 'another one');
    is(table(), '2 0=' . hash(0, 8) . ' 1=' . hash(8, ''), 'all of it');
    is($r->command('HGET', k('meta'), 'policy'), '{"a":1}', 'its policy');
    is($r->command('TTL', k('table')), -1, 'it stays');
    is($r->command('TTL', k('nodes')), -1, 'so do the nodes');
    is(staged(), 0, 'nothing is left of the stage');

    my $entry = $r->command('XREVRANGE', k('log'), '+', '-', 'COUNT', 1)->[0];
    is_deeply($entry, [ '2-0', [ by => 'test', op => 'once' ] ],
              'the log has a gap');
}


sub pieces {
    my @begin = (@node, shard => 0 => hash(0, 8));
    my $before = table();

    is(stage(0, 'hash', @begin), 'ok 2', 'begun anew');
    is(stage(1, 'hash', shard => 1 => hash(8, '')), 'conflict 2',
       'a piece that came before');
    is(stage(3, 'hash', shard => 1 => hash(8, '')), 'conflict 2',
       'a piece too far');
    is(stage(2, 'list', shard => 1 => hash(8, '')), 'conflict 2',
       'another kind');
    is(stage_as('a', $token, 1, 2, 'hash', shard => 1 => hash(8, '')),
       'conflict 2', 'another version');

    for my $bad ([ 1 => hash(9, ''), 'a gap' ], [ 1 => hash(7, ''), 'overlap' ],
                 [ 1 => hash(0, ''), 'another first' ])
    {
        like(stage(2, 'hash', shard => $bad->[0] => $bad->[1]),
             qr/^bad shard 1 does not begin where the shard before it ends/,
             $bad->[2]);
    }

    like(stage(2, 'hash', shard => 1 => hash(8, 'c'), shard => 2 => hash('d', '')),
         qr/^bad shard 2 does not begin/, 'a gap within a piece');
    like(stage(2, 'hash', shard => 0 => hash(8, '')),
         qr/^bad shard 0 is staged twice/, 'one id twice');
    like(stage(2, 'hash', shard => 1 => hash(8, 'c'), shard => 1 => hash('c', '')),
         qr/^bad shard 1 is staged twice/, 'one id twice in a piece');
    like(stage(2, 'hash', shard => 'x' => hash(8, '')), qr/is no shard id/,
         'a bad id');
    like(stage(2, 'hash', shard => 1 => hash(8, '', epoch => 0)),
         qr/^bad shard 1 epoch 0 is behind 1/, 'an epoch that goes back');
    like(stage(2, 'hash', shard => 1 => hash(8, '', units => [])),
         qr/^bad shard 1 units has no place/, 'a field of another kind');
    like(stage(2, 'hash', shard => 1 => ''), qr/^bad shard 1 is not a JSON/,
         'nothing is deleted');
    is(stage(2, 'hash', shard => 1 => hash(8, '')), 'ok 3',
       'the piece is still the next one');
    like(stage(3, 'hash', shard => 2 => hash(8, '')),
         qr/^bad shard 2 does not begin/, 'one behind the end');
    is(table(), $before, 'nobody saw any of it');
}


sub replaces {
    my $old = version();

    is(fcall('shard_commit', 6,
             (map { k($_) } qw/ meta table nodes log claims op:between /),
             'keyspace', $token, 'a', -1, 'between', 'test',
             shard => 0 => hash(0, 8, phase => 'held')), 'ok ' . ($old + 1),
       'the table changes meanwhile');
    is(finish_as('a', $token, $old, 3), 'conflict ' . ($old + 1),
       'it is not overwritten');
    is(finish(3), 'conflict 3', 'a stage is of one version');

    is(stage(0, 'hash', @node, shard => 5 => hash(0, '', epoch => 7)), 'ok 2',
       'another table');
    is(finish(2, ''), 'ok ' . ($old + 3), 'replaces this one');
    is(table(), ($old + 3) . ' 5=' . hash(0, '', epoch => 7),
       'the old shards are gone');
    is($r->command('HEXISTS', k('meta'), 'policy'), 0, 'so is the policy');
}


sub claimed {
    my $one = token('shard:5', 'm');

    is(stage(0, 'hash', @node, shard => 0 => hash(0, '', epoch => 8)), 'ok 2',
       'a table over a shard that moves');
    like(finish(2), qr/^bad shard 5 is claimed by m for \d+ ms more/,
         'is refused at its end');

    $r->command('HSET', k('claims'), 'shard:5', "$one m 1");
    my $next = version() + 2;
    is(finish(2), "ok $next", 'a lease that ran out');
    is($r->command('HEXISTS', k('claims'), 'shard:5'), 0, 'its claim ends');
}


# a writer that died

sub left {
    is(stage(0, 'hash', @node, shard => 0 => hash(0, 8, epoch => 9)), 'ok 2',
       'half a stage');

    for my $key ('stage', 'stage:table', 'stage:nodes') {
        my $ttl = $r->command('TTL', k($key));
        ok($ttl > 500 && $ttl <= 600, "$key goes away: $ttl s");
    }

    release('keyspace', 'a', $token);
    $token = token('keyspace', 'a');

    like(stage(2, 'hash', shard => 1 => hash(8, '')), qr/^conflict 2/,
         'another claim does not go on with it');
    like(finish(2), qr/^conflict 2/, 'nor commits it');

    is(stage(0, 'hash', @node, shard => 0 => hash(0, '', epoch => 9)), 'ok 2',
       'it begins anew');
    $r->command('DEL', k('stage:table'));
    is(finish(2), 'bad nothing is staged', 'a stage that lost its table');
}


sub kinds {
    at($r, 'bytes');
    $token = token('keyspace', 'a');

    is(stage(0, 'range bytes', @node,
             shard => 0 => record(lo => '', hi => '%c3')), 'ok 2', 'names');
    like(stage(2, 'range bytes', shard => 1 => record(lo => 'z', hi => undef)),
         qr/^bad shard 1 does not begin/, 'a gap of names');
    is(stage(2, 'range bytes', shard => 1 => record(lo => '%c3', hi => undef)),
       'ok 3', 'the rest');
    is(finish(3), 'ok 2', 'a table of names');
    is($r->command('HGET', k('meta'), 'kind'), 'range bytes', 'its kind');

    my @yes = (default => JSON::PP::true);

    is(stage(0, 'list', @node, shard => 0 => record(units => [ 'a', 'b' ])),
       'ok 2', 'a list over names');
    is(finish(2), 'bad no shard is the default', 'without a default');
    like(stage(2, 'list', shard => 1 => record(units => [ 'c', 'b' ])),
         qr/^bad shard 1 unit b is of another shard too/, 'a unit twice');
    like(stage(2, 'list', shard => 1 => record(units => [ 'c' ]),
               shard => 2 => record(units => [ 'c' ])),
         qr/^bad shard 2 unit c is of another/, 'twice within a piece');
    is(stage(2, 'list', shard => 1 => record(units => [ 'c' ], @yes)), 'ok 3',
       'the default');
    like(stage(3, 'list', shard => 2 => record(@yes)),
         qr/^bad shard 2 is a second default/, 'a second one');
    is(finish(3), 'ok 4', 'the list');
    is(staged(), 0, 'nothing is left of its stage');
    is($r->command('HGET', k('meta'), 'kind'), 'list', 'its kind');
}


# tables of equal parts in pieces of any size are what was given

sub random {
    my $seed = $ENV{TAP_SEED} || time;
    diag("TAP_SEED=$seed");
    srand($seed);

    at($r, 'random');
    $token = token('keyspace', 'a');

    for my $round (1 .. 5) {
        my $n = 1 + int rand 1500;
        my @lo = map { sprintf '%016x', int($_ * 2 ** 52 / $n) << 12 }
                     0 .. $n - 1;
        my %all = map { $_ => record(lo => $lo[$_],
                                     hi => $_ < $n - 1 ? $lo[$_ + 1] : undef,
                                     epoch => $round) } 0 .. $n - 1;
        my @changes = (@node, map { (shard => $_ => $all{$_}) } 0 .. $n - 1);
        my ($seq, $wrong) = (0, 0);

        while (@changes) {
            my @piece = splice @changes, 0, 3 * (1 + int rand 300);
            my $next = $seq + @piece / 3;

            $wrong++ if stage($seq, 'hash', @piece) ne "ok $next";
            $seq = $next;
        }

        is($wrong, 0, "round $round: all pieces of $n shards are taken");
        is(finish($seq), 'ok ' . 2 * $round, 'and committed');

        my %got = @{ $r->command('HGETALL', k('table')) };
        is_deeply(\%got, \%all, 'as they were given');
    }
}

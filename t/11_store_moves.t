#!/usr/bin/perl

# The store's migrations and decisions: the function library on a real Redis,
# then the C store (build/unit/store) against the same server.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use ShardTest;
use ShardTest::Store;

my $t = ShardTest->new(name => 'moves');
$t->start_redis();

my $r = $t->redis();

at($r, 'store');

$r->command('FUNCTION', 'LOAD', $t->library());

migrations();
decisions();
wishes();
ids();
beside();
recommendations();
c_store();

$t->finish();
done_testing();


sub put {
    my ($id, @args) = @_;

    return fcall('shard_migration_put', 3, k("migration:$id"),
                 k('migrations'), k('claims'), @args);
}


sub migrations {
    my $id = '00000000000000ab';
    my $token = token('shard:3', 'm');
    my @put = ('shard:3', $token, 'm');

    is(put($id, @put, 0, phase => 'planned', shard => 3, from => 'n1'),
       'ok 1', 'a new migration');
    is(put($id, @put, 0, phase => 'copy'), 'conflict 1', 'new once only');
    is(put($id, @put, 1, phase => 'claimed'), 'ok 2', 'next phase');
    is(put($id, @put, 1, phase => 'check'), 'conflict 2', 'an old state');
    is(put($id, 'shard:3', $token - 1, 'm', 2, phase => 'x'),
       "fenced $token m", 'an old token');
    is(put($id, 'shard:3', $token, 'n', 2, phase => 'x'),
       "fenced $token m", 'another holder');

    my %m = @{ $r->command('HGETALL', k("migration:$id")) };
    is($m{phase}, 'claimed', 'phase');
    is($m{seq}, 2, 'seq');
    is($m{id}, $id, 'id');
    is($m{holder}, 'm', 'holder');
    is($m{token}, $token, 'token');
    is($m{from}, 'n1', 'earlier fields stay');
    is($r->command('ZSCORE', k('migrations'), $id), $m{created_ms}, 'index');

    like(put($id, @put, 2, seq => 9), qr/^bad field seq/, 'seq is not free');
    like(put($id, @put, 2, a => 1, a => 2), qr/^bad field a is given twice/,
         'a field twice');
    like(put($id, @put, 2, 'a'), qr/^bad fields/, 'half a field');
    like(put($id, @put, 2, 'A b' => 1), qr/^bad field 1/, 'a bad name');
    like(put($id, @put, 'x'), qr/^bad seq/, 'seq is a number');
    like(put('xyz', @put, 0), qr/^bad keys/, 'a bad id');
    like(put('00000000000000AB', @put, 0), qr/^bad keys/, 'upper case');
    like(put($id, @put, 2, shard => 4), qr/^bad migration $id is of shard 4/,
         'another shard than the claim');
    like(put($id, @put, 2, created_ms => 'x'), qr/^bad created_ms/,
         'created_ms');

    my $other = token('shard:4', 'm');
    like(put($id, 'shard:4', $other, 'm', 2), qr/^bad migration $id is of/,
         'the claim of another shard');
    is($r->command('HGET', k("migration:$id"), 'seq'), 2, 'it stands at 2');
    release('shard:3', 'm', $token);
    is(put($id, @put, 2), 'fenced 0 ', 'after the release');
}


sub decisions {
    my $id = '00000000000000cd';
    my $add = sub {
        fcall('shard_decision_add', 3, k("decision:$id"), k('decisions'),
              k("migration:$id"), id => $id, shard => 3, @_);
    };
    my $length = sub { $r->command('XLEN', k('decisions')) };

    like($add->(), qr/^ok \d+-\d+$/, 'a decision');
    is($length->(), 1, 'one entry');
    is($add->(), 'conflict planned', 'the same again');
    is($length->(), 1, 'still one');

    my $token = token('shard:3', 'm');
    put($id, 'shard:3', $token, 'm', 0, phase => 'copy');
    is($add->(), 'conflict copy', 'while it moves');
    put($id, 'shard:3', $token, 'm', 1, phase => 'rolled-back');
    like($add->(), qr/^ok /, 'after it rolled back');
    is($add->(), 'conflict rolled-back', 'and that only once');
    is($length->(), 2, 'two entries');
    put($id, 'shard:3', $token, 'm', 2, phase => 'done');
    is($add->(), 'conflict done', 'never after it is done');
    is_deeply({ @{ $r->command('HGETALL', k("decision:$id")) } },
              { id => $id, shard => 3, after_seq => 2 }, 'its hash');
    like($add->(after_seq => 1), qr/^bad field after_seq/, 'a reserved name');
}


# wishes: what is too late for each, and that then nothing is written

sub wishes {
    my $id = '00000000000000cf';
    my $key = k("migration:$id");
    my $wish = sub { fcall('shard_migration_wish', 1, $key, @_) };
    my $stored = sub { join ' ', map { $_ // '-' } @{ $r->command('HMGET', $key, 'wish', 'wish_by') } };

    is($wish->('pause', 'me'), 'ok none ', 'none of no migration');
    is($r->command('EXISTS', $key), 0, 'which makes none');

    my $token = token('shard:3', 'm');
    put($id, 'shard:3', $token, 'm', 0, phase => 'copy');
    is($wish->('resume', 'me'), 'ok idle copy', 'what does not pause');
    is($stored->(), '- -', 'nothing is written');
    is($wish->('pause', 'me'), 'ok wished copy', 'pause');
    is($stored->(), 'pause me', 'is the wish');
    is($wish->('resume', 'you'), 'ok wished copy', 'resume');
    is($stored->(), ' you', 'takes it away');
    is($wish->('rollback', 'me'), 'ok wished copy', 'rollback');
    is($stored->(), 'rollback me', 'is one');

    my %verdict = (
        commit => 'late late late', release => 'late late late', standby => 'late late late',
        done => 'late late late', 'rolling-back' => 'late late wished', 'rolled-back' => 'back back back',
    );

    for my $phase (sort keys %verdict) {
        $r->command('HSET', $key, 'phase', $phase, 'wish', 'pause', 'wish_by', 'x');
        is(join(' ', map { (split / /, $wish->($_, 'me'))[1] } qw/ pause resume rollback /),
           $verdict{$phase}, "in phase $phase");
        is($stored->(), $verdict{$phase} =~ /wished/ ? 'rollback me' : 'pause x', 'and what is stored');
    }

    like($wish->(@$_), qr/^bad /, 'refused: ' . join ' ', @$_)
        for [ 'pause' ], [ 'stop', 'me' ], [ '', 'me' ], [ 'pause', '' ], [ 'pause', 'a b' ],
            [ 'pause', 'x' x 65 ], [ 'pause', 'me', 'you' ];
}


# a recommendation gives way to an order, and to nothing else

sub recommendations {
    my $id = '00000000000000ce';
    my $add = sub {
        fcall('shard_decision_add', 3, k("decision:$id"), k('decisions'),
              k("migration:$id"), id => $id, shard => 3, mode => $_[0]);
    };
    my $mode = sub { $r->command('HGET', k("decision:$id"), 'mode') };
    my $before = $r->command('XLEN', k('decisions'));

    like($add->('recommend'), qr/^ok /, 'a recommendation');
    is($add->('recommend'), 'conflict planned', 'which is made once');
    like($add->('act'), qr/^ok /, 'the order of the same');
    is($mode->(), 'act', 'takes its place');
    is($add->('act'), 'conflict planned', 'the order once');
    is($add->('recommend'), 'conflict planned', 'it is not taken back');
    is($mode->(), 'act', 'by a recommendation');
    is($r->command('XLEN', k('decisions')), $before + 2, 'two entries');

    my $token = token('shard:3', 'm');
    put($id, 'shard:3', $token, 'm', 0, phase => 'rolled-back');
    like($add->('recommend'), qr/^ok /, 'recommended after it rolled back');
    like($add->('act'), qr/^ok /, 'and ordered');
    is($add->('act'), 'conflict rolled-back', 'once per rollback');

    $r->command('HSET', k("decision:$id"), 'mode', 'recommend');
    put($id, 'shard:3', $token, 'm', 1, phase => 'copy');
    is($add->('act'), 'conflict copy', 'never while it moves');
}


# both builds, where there is a sanitizer build

sub c_store {
    for my $program (map { $t->top() . "/$_/unit/store" } 'build', 'build/san') {
        next if $program =~ /san/ && !-x $program;

        if (!-x $program) {
            fail("$program is not built: make units");
            next;
        }

        # the program before this one ended all connections

        my $own = ShardTest::Redis->new($t->redis_addr());

        $own->command('FLUSHALL');
        $own->command('FUNCTION', 'FLUSH');

        local $ENV{REDIS_ADDR} = $t->redis_addr();

        my @lines = `$program 2>&1`;
        my $status = $?;

        is($status, 0, $program) or diag(@lines);
        cmp_ok(scalar(grep { /^ok / } @lines), '>', 150, 'with its checks');
        is(scalar(grep { /^not ok / } @lines), 0, 'none failed');
    }
}


# ids of shards to be made: never one twice

sub ids {
    at($r, 'ids');

    my $new = sub { fcall('shard_id_new', 2, k('table'), k('ids')) };

    $r->command('HSET', k('table'), 3, '{}', 17, '{}', 5, '{}');
    is($new->(), 'ok 18', 'above all of the table');
    is($new->(), 'ok 19', 'and another one');
    $r->command('HSET', k('table'), 20, '{}', 90, '{}');
    is($new->(), 'ok 91', 'above those that were made by hand');
    $r->command('DEL', k('table'));
    is($new->(), 'ok 92', 'those that are gone are not given again');
    $r->command('SET', k('ids'), 'x');
    like($new->(), qr/^bad ids is not/, 'damaged');
    $r->command('SET', k('ids'), 4294967294);
    like($new->(), qr/^bad all shard ids/, 'used up');
    at($r, 'store');
}


# a split and a merge by the writer of one shard

sub beside {
    at($r, 'beside');

    my $rec = sub { my ($lo, $hi, $epoch) = @_;
                    return '{"lo":"' . $lo x 16 . '","hi":' . ($hi ? '"' . $hi x 16 . '"' : 'null')
                           . ",\"primary\":\"n1\",\"epoch\":$epoch}" };
    my $op = 0;
    my $commit = sub {
        my ($scope, $holder, @changes) = @_;
        return fcall('shard_commit', 6, (map { k($_) } qw/ meta table nodes log claims /, 'op:b' . ++$op),
                     $scope, token($scope, $holder), $holder, -1, "b$op", 'test', @changes);
    };

    like($commit->('keyspace', 'init', node => 'n1', '{"addr":"a:1","zone":"z","capacity":1,"state":"up"}',
                   shard => 0, $rec->(0, 8, 1), shard => 1, $rec->(8, undef, 1)), qr/^ok/, 'two shards');
    release('keyspace', 'init', token('keyspace', 'init'));

    like($commit->('shard:0', 'a', shard => 0, $rec->(0, 4, 2), shard => 7, $rec->(4, 8, 2)), qr/^ok/, 'a split');
    like($commit->('shard:0', 'a', shard => 8, $rec->(4, 8, 2)), qr/^bad/, 'not of what another shard holds');
    like($commit->('shard:0', 'a', shard => 0, $rec->(0, 8, 3), shard => 7, ''), qr/outside of scope shard:0 and not claimed/,
         'a merge with one that it has not claimed');
    token('shard:7', 'b');
    like($commit->('shard:0', 'a', shard => 0, $rec->(0, 8, 3), shard => 7, ''), qr/claimed by b/, 'that another one has');
    release('shard:7', 'b', token('shard:7', 'b'));
    token('shard:7', 'a');
    like($commit->('shard:0', 'a', shard => 0, $rec->(0, 8, 3), shard => 7, ''), qr/^ok/, 'that it has');
    like($commit->('shard:0', 'a', meta => 'policy', '{}'), qr/outside of scope/, 'nothing else');
    at($r, 'store');
}

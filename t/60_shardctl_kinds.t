#!/usr/bin/perl

# shardctl and keyspaces of every kind: making them, listing what shards hold,
# finding a key's shard, mistakes; and tables too large for one commit.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw/ sleep /;

use ShardTest;

my $t = ShardTest->new();

plan(skip_all => 'no build/shardctl') if !-x $t->program('shardctl');

$t->start_redis();

my $r = $t->redis();
my $dir = $t->dir();
my @nodes = ((map { ('--node', "n$_=127.0.0.1:800$_,zone=z1,capacity=100") }
                  1 .. 2), '--driver', 'none');

numbers();
bytes();
lists();
hash();
mistakes();
damages();
another();
large();

$t->finish();
done_testing();


sub key { return "shard:{$_[0]}:$_[1]" }


sub shards {
    my ($keyspace, @fields) = @_;

    my $got = $t->ctl('-k', $keyspace, 'shards')->{shards};
    return [ map { my $s = $_;
                   join ' ', map { defined $s->{$_} ? ref $s->{$_} eq 'ARRAY'
                                   ? join(',', @{ $s->{$_} }) : $s->{$_}
                                   : 'end' } @fields } @$got ];
}


sub locate {
    my ($keyspace, $key) = @_;

    my $got = $t->ctl('-k', $keyspace, 'locate', $key);
    return "$got->{shard} $got->{reads}";
}


sub numbers {
    my $json = $t->ctl('-k', 'u', 'init', '--kind', 'range uint64', '--cuts',
                       '1000,0002000', @nodes);

    is_deeply([ @$json{qw/ kind shards version /} ], [ 'range uint64', 3, 2 ],
              'init of numbers');
    is_deeply(shards('u', qw/ id from to lo hi /),
              [ '0 0 1000 0000000000000000 00000000000003e8',
                '1 1000 2000 00000000000003e8 00000000000007d0',
                '2 2000 end 00000000000007d0 end' ], 'where they begin');

    my ($status, $out) = $t->try_ctl('-k', 'u', 'shards');
    like($out, qr/^SHARD +FROM +TO .*\n +0 +0 +1000 +n1.*\n +1 +1000 +2000 +n2/,
         'for people');

    is(locate('u', 0), '0 n1', 'locate 0');
    is(locate('u', 999), '0 n1', 'locate 999');
    is(locate('u', '0001000'), '1 n2', 'locate 0001000');
    is(locate('u', '18446744073709551615'), '2 n1', 'locate the last one');

    like(($t->try_ctl('-k', 'u', 'split', 1, '--at', 1500, '--dry-run'))[1],
         qr/^would split shard 1 at 1500, its keys to n2/, 'a cut is a number');
    like(($t->try_ctl('-k', 'u', 'split', 1, '--at', 7, '--dry-run'))[2],
         qr/ 7 is not between the bounds of shard 1/, 'that is mistaken');

    for ([ 1, 1000, 'isolate shard 1 at 1000' ], [ 1, 1500, 'isolate shard 1 at 1500' ],
         [ 1, 1999, 'split shard 1 at 1999' ],
         [ 2, '18446744073709551615', 'split shard 2 at 18446744073709551615' ])
    {
        my ($shard, $key, $would) = @$_;
        like(($t->try_ctl('-k', 'u', 'split', $shard, '--around', $key,
                          '--dry-run'))[1],
             qr/^would $would, its keys to /, "around $key");
    }

    $t->ctl('-k', 'u4', 'init', '--kind', 'range uint64', '--shards', 4,
            '--max', 10, @nodes);
    is_deeply(shards('u4', qw/ from to /),
              [ '0 2', '2 5', '5 8', '8 end' ], 'equal parts');
    $t->ctl('-k', 'u1', 'init', '--kind', 'range uint64', '--shards', 2,
            '--max', '18446744073709551615', @nodes);
    is_deeply(shards('u1', qw/ from to /),
              [ '0 9223372036854775808', '9223372036854775808 end' ],
              'of all numbers');
}


sub bytes {
    open(my $file, '>', "$dir/cuts") or die "$dir/cuts: $!\n";
    print $file "2026-01\n2026-02\nb,c\n%e4%00\n";
    close($file);

    $t->ctl('-k', 'b', 'init', '--kind', 'range bytes', '--cuts',
            "\@$dir/cuts", @nodes);
    is_deeply(shards('b', qw/ from to /),
              [ ' 2026-01', '2026-01 2026-02', '2026-02 b,c', 'b,c %e4%00',
                '%e4%00 end' ], 'init of names from a file');

    is(locate('b', '2025-12-31'), '0 n1', 'locate below all');
    is(locate('b', '2026-01-15'), '1 n2', 'locate within');
    is(locate('b', "\xe4"), '3 n2', 'locate before a longer bound');
    is(locate('b', "\xff\xff"), '4 n1', 'locate the last one');

    for ([ "\xe3", 'isolate shard 3 at %e3,' ], [ "\xe4", 'split shard 3 at %e4,' ]) {
        my ($key, $would) = @$_;
        like(($t->try_ctl('-k', 'b', 'split', 3, '--around', $key, '--dry-run'))[1],
             qr/^would $would/, "around a key: $would");
    }

    $t->ctl('-k', 'b2', 'init', '--kind', 'range bytes', '--cuts',
            "a%2Cb,\xc3\xa4", @nodes);
    is_deeply(shards('b2', qw/ lo hi /),
              [ ' a,b', 'a,b %c3%a4', '%c3%a4 end' ], 'from the command line');
}


sub lists {
    my $json = $t->ctl('-k', 'l', 'init', '--kind', 'list', '--unit',
                       'checkout', '--unit', 'search,billing', '--default',
                       'misc', @nodes);

    is($json->{shards}, 3, 'init of a list');
    is_deeply(shards('l', qw/ id units default primary /),
              [ '0 checkout 0 n1', '1 search,billing 0 n2', '2 misc 1 n1' ],
              'their units');

    my ($status, $out) = $t->try_ctl('-k', 'l', 'shards');
    like($out, qr/^SHARD +UNITS .*\n.*\n +1 +search billing +n2.*\n +2 +misc \(all others\) /,
         'for people');

    is(locate('l', 'billing'), '1 n2', 'locate a unit');
    is(locate('l', 'misc'), '2 n1', 'locate the default\'s');
    is(locate('l', 'bill'), '2 n1', 'locate any other');

    $t->ctl('-k', 'l2', 'init', '--kind', 'list', '--unit', 'a', @nodes);
    is_deeply(shards('l2', qw/ id units default /), [ '0 a 0', '1  1' ],
              'one more shard is the default');

    ($status, $out) = $t->try_ctl('-k', 'l', 'locate', 'search');
    is($out, "shard 1 on node n2, epoch 1, phase steady\n", 'for people');
}


# a shard that moves, one that is held, one that is overridden

sub hash {
    $t->ctl('-k', 'h', 'init', '--shards', 1, @nodes);

    my $json = decode_json($r->command('HGET', key('h', 'table'), 0));
    my %crossed;

    @$json{qw/ phase target shift migration strategy /}
        = ('shifting', 'n2', 5000, 'a' x 16, 'stateless');
    $r->command('HSET', key('h', 'table'), 0, encode_json($json));

    for my $i (1 .. 40) {
        my $got = $t->ctl('-k', 'h', 'locate', "k$i");
        $crossed{$got->{crossed} ? 'yes' : 'no'}++;
        my $node = $got->{crossed} ? 'n2' : 'n1';
        is("$got->{reads} $got->{writes}", "$node $node", "locate k$i")
            if $i <= 4;
    }

    cmp_ok($crossed{yes} || 0, '>', 5, 'half of the keys have crossed');
    cmp_ok($crossed{no} || 0, '>', 5, 'half have not');

    @$json{qw/ strategy consistency shift /}
        = ('log-shipping', 'eventual', 10000);
    $r->command('HSET', key('h', 'table'), 0, encode_json($json));

    my ($status, $out) = $t->try_ctl('-k', 'h', 'locate', 'k1');
    like($out, qr/reads of this key go to n2, writes to n1/, 'by strategy');

    @$json{qw/ strategy shift /} = ('copy-on-write', 0);
    $r->command('HSET', key('h', 'table'), 0, encode_json($json));
    ($status, $out) = $t->try_ctl('-k', 'h', 'locate', 'k1');
    like($out, qr/reads of this key go to n2, writes to n2/, 'all at once');

    $json->{phase} = 'held';
    $r->command('HSET', key('h', 'table'), 0, encode_json($json));
    $r->command('HSET', key('h', 'override'), 0, 'pin n2');
    ($status, $out) = $t->try_ctl('-k', 'h', 'locate', 'k1');
    like($out, qr/requests are held\nan operator overrides it: pin n2\n/,
         'held, overridden');
    is($t->ctl('-k', 'h', 'locate', 'k1')->{override}, 'pin n2', 'as JSON');
}


sub mistakes {
    my @u = ('--kind', 'range uint64');
    my @b = ('--kind', 'range bytes');
    my @l = ('--kind', 'list');

    my @tests = (
        [ [ '--kind', 'range' ], qr/range uint64/ ],
        [ [ '--kind', 'hash', '--cuts', 5 ],
          qr/--cuts is for a keyspace of kind range uint64 or range bytes/ ],
        [ [ '--kind', 'hash', '--shards', 2, '--max', 5 ], qr/--max is for/ ],
        [ [ @l, '--shards', 2 ], qr/--shards is for a keyspace of kind hash/ ],
        [ [ @b, '--shards', 2 ], qr/--shards is for/ ],
        [ [ @b ], qr/where do the shards begin\? --cuts/ ],
        [ [ @u ], qr/how many shards\?/ ],
        [ [ @u, '--shards', 4 ], qr/greatest key\? --max/ ],
        [ [ @u, '--shards', 4, '--max', 2 ], qr/no number from 3, one key/ ],
        [ [ @u, '--shards', 4, '--max', 'x' ], qr/no number from 3/ ],
        [ [ @u, '--shards', 4, '--cuts', 2 ], qr/either --cuts or --shards/ ],
        [ [ @u, '--cuts', '1,x' ], qr/"x" is no number/ ],
        [ [ @u, '--cuts', '1,' ], qr/"" is no number/ ],
        [ [ @u, '--cuts', '0,1' ], qr/"0" is not above .* the lowest key/ ],
        [ [ @u, '--cuts', '5,5' ], qr/"5" is not above the one before it/ ],
        [ [ @u, '--cuts', '5,4' ], qr/"4" is not above the one before it/ ],
        [ [ @u, '--cuts', '18446744073709551616' ], qr/is no number/ ],
        [ [ @b, '--cuts', 'b,a' ], qr/"a" is not above the one before it/ ],
        [ [ @b, '--cuts', 'a,,b' ], qr/"" is no name of 1 to 64 bytes/ ],
        [ [ @b, '--cuts', 'x' x 65 ], qr/is no name of 1 to 64 bytes/ ],
        [ [ @b, '--cuts', '%4' ], qr/is no name/ ],
        [ [ @b, '--cuts', '%4x' ], qr/is no name/ ],
        [ [ @b, '--cuts', '@/none' ], qr/cannot open the cuts/, 1 ],
        [ [ @l, '--unit', 'a', '--unit', 'b,a' ], qr/unit "a" is given twice/ ],
        [ [ @l, '--unit', 'a', '--default', 'a' ], qr/unit "a" is given twice/ ],
        [ [ @l, '--unit', 'a,,b' ], qr/--unit: "" is no name/ ],
        [ [ @l, '--unit', join(',', 1 .. 33) ], qr/more than 32 units/ ],
        [ [ '--shards', 2, '--unit', 'a' ], qr/--unit is for a keyspace of/ ],
    );

    for my $test (@tests) {
        my ($args, $why, $expected) = @$test;

        my ($status, $out, $err) = $t->try_ctl('-k', 'none', 'init', @$args,
                                               @nodes);
        is($status, $expected || 2, "init @$args");
        like($err, $why, 'says why');
    }

    is(scalar @{ $r->command('KEYS', 'shard:{none}:*') }, 0,
       'nothing was written');

    my ($status, $out, $err) = $t->try_ctl('-k', 'u', 'locate', 'x1');
    is($status, 1, 'locate of no number');
    like($err, qr/"x1" is no key of keyspace "u", which is of kind range uint64/,
         'says why');
}


# what Redis holds is damaged behind our back: the reason names it

sub damages {
    my @tests = (
        [ 'b', 1, qr/"lo":"2026-01"/, '"lo":"2026-00"',
          qr/shards 0 and 1 overlap at "2026-00"/ ],
        [ 'b', 1, qr/"hi":"2026-02"/, '"hi":"2026-01%ff"',
          qr/nothing covers positions from "2026-01%ff", between shards 1 and 2/ ],
        [ 'b', 0, qr/"lo":""/, '"lo":"%00"',
          qr/nothing covers positions before "%00"/ ],
        [ 'b', 4, qr/"hi":null/, '"hi":"%ff"',
          qr/nothing covers positions from "%ff", the end of shard 4/ ],
        [ 'u', 1, qr/"hi":"\w+"/, '"hi":"00000000000007cf"',
          qr/nothing covers positions from 00000000000007cf/ ],
        [ 'u', 1, qr/"lo":"\w+"/, '"lo":"1000"', qr/"lo" is not 16/ ],
        [ 'l', 1, qr/"billing"/, '"checkout"',
          qr/unit "checkout" is of shards [01] and [01]/ ],
        [ 'l', 1, qr/"units"/, '"default":true,"units"',
          qr/shards 1 and 2 are both the default/ ],
        [ 'l', 2, qr/,"default":true/, '', qr/no shard is the default/ ],
        [ 'l', 2, qr/"units":.*?,/, '"lo":"","hi":null,',
          qr/"lo" has no place in a "list" keyspace/ ],
    );

    for my $test (@tests) {
        my ($keyspace, $id, $what, $by, $why) = @$test;
        my $was = $r->command('HGET', key($keyspace, 'table'), $id);
        my $is = $was =~ s/$what/$by/r;

        isnt($is, $was, "$keyspace $id: damaged");
        $r->command('HSET', key($keyspace, 'table'), $id, $is);

        my ($status, $out, $err) = $t->try_ctl('-k', $keyspace, 'shards');
        is($status, 1, 'it is not read');
        like($err, $why, 'says why');
        $r->command('HSET', key($keyspace, 'table'), $id, $was);
    }

    $r->command('HSET', key('u', 'meta'), 'kind', 'range');
    my ($status, $out, $err) = $t->try_ctl('-k', 'u', 'shards');
    like($err, qr/meta.kind is "range", known are hash/, 'an unknown kind');
    $r->command('HSET', key('u', 'meta'), 'kind', 'range uint64');
}


# --force may change the kind, with epochs above the old ones

sub another {
    my ($status, $out, $err) = $t->try_ctl('-k', 'l', 'init', '--shards', 2,
                                           @nodes);
    is($status, 1, 'a table is there');

    my $json = $t->ctl('-k', 'l', 'init', '--shards', 2, @nodes, '--force');
    is("$json->{kind} $json->{epoch}", 'hash 2', 'a list becomes a hash');
    is_deeply(shards('l', qw/ lo hi epoch /),
              [ '0000000000000000 8000000000000000 2',
                '8000000000000000 end 2' ], 'its shards');
    is($r->command('HGET', key('l', 'meta'), 'kind'), 'hash', 'meta.kind');

    for my $keyspace ('u', 'b', 'l') {
        ($status, $out, $err) = $t->try_ctl('-k', $keyspace, 'status');
        is($status, 0, "status of $keyspace: $err");
        like($out, qr/^keyspace $keyspace  (hash|range \w+), version \d/,
             'its kind');
    }
}


# more than a commit takes: staged, and the old table is seen until the end

sub large {
    my $json = $t->ctl('-k', 'big', 'init', '--shards', 5000, @nodes);
    is("$json->{shards} $json->{version}", '5000 2', '5000 shards');
    is($r->command('HLEN', key('big', 'table')), 5000, 'are in Redis');
    is($r->command('EXISTS', map { key('big', $_) } 'stage', 'stage:table',
                   'stage:nodes'), 0, 'the stage is gone');
    is($r->command('HGET', key('big', 'meta'), 'policy'), '{"driver":"none"}',
       'policy');
    is($r->command('EXISTS', key('big', 'claims')), 0, 'the claim is gone');

    my $last = decode_json($r->command('HGET', key('big', 'table'), 4999));
    is($last->{hi}, undef, 'the last one');

    open(my $cuts, '>', "$dir/many") or die "$dir/many: $!\n";
    print $cuts map { sprintf "%06d\n", $_ } 1 .. 3000;
    close($cuts);

    $json = $t->ctl('-k', 'big', 'init', '--kind', 'range bytes', '--cuts',
                    "\@$dir/many", @nodes, '--force');
    is("$json->{shards} $json->{version} $json->{epoch} $json->{kind}",
       '3001 4 2 range bytes', 'another large table over it');
    is($r->command('HLEN', key('big', 'table')), 3001, 'is in Redis');
    is(locate('big', '000999x'), '999 n2', 'locate');

    changing();

    $json = $t->ctl('-k', 'big', 'init', '--kind', 'list', @nodes, '--force');
    cmp_ok($json->{epoch}, '>', 100, 'a small one over it');
    is($r->command('HGET', key('big', 'meta'), 'kind'), 'list', 'of its kind');
}


# A table that is read in pieces while it is written: each commit gives its
# shards, first and last ones, a new epoch, so one version has one epoch.

sub changing {
    my $n = 20000;
    my @ids = (0 .. 4, $n - 5 .. $n - 1);

    $t->ctl('-k', 'big', 'init', '--shards', $n, @nodes, '--force');

    my $child = fork;
    die "fork: $!\n" if !defined $child;
    writer(@ids) if $child == 0;

    my ($wrong, %seen) = (0);

    # few are needed to see that it is not the same table each time
    wait_for {
        my ($status, $out) = $t->try_ctl('-k', 'big', 'shards', '--limit', $n,
                                         '--json');
        my %epoch = $out =~ /"id": (\d+),.*?"epoch": (\d+)/sg;
        my %epochs = map { $epoch{$_} => 1 } @ids;

        $wrong++ if keys %epoch != $n || keys %epochs != 1;
        $seen{ (keys %epochs)[0] }++;
        $wrong || keys %seen >= 6
    } 60, 'six versions are read';

    kill 'KILL', $child;
    waitpid $child, 0;
    $r->command("DEL", key("big", "claims"));

    is($wrong, 0, 'each was read whole, epochs ' . join ' ', sort keys %seen);
}


# until it is killed; each 20th commit is too large for the log

sub writer {
    my @ids = @_;

    my $own = ShardTest::Redis->new($t->redis_addr());
    my ($token) = $own->command('FCALL', 'shard_claim', 2, key('big', 'meta'),
                                key('big', 'claims'), 'keyspace', 'w',
                                60000)->[1];
    my %json = @{ $own->command('HGETALL', key('big', 'table')) };

    for (my $epoch = 100; $epoch < 1e6; $epoch++) {
        my @all = $epoch % 20 ? @ids : (@ids, 1000 .. 2200);
        my @changes = map { (shard => $_ => $json{$_}
                             =~ s/"epoch":\d+/"epoch":$epoch/r) } @all;

        $own->command('FCALL', 'shard_commit', 6,
                      (map { key('big', $_) }
                           qw/ meta table nodes log claims /, "op:w-$epoch"),
                      'keyspace', $token, 'w', -1, "w-$epoch", 'test',
                      @changes);
        sleep(0.002);
    }

    POSIX::_exit(0);
}

#!/usr/bin/perl

# Shards that are split, isolated and merged under load, in keyspaces of every
# order: nothing fails, is lost, comes twice or out of order, and each node has
# what its shards hold and nothing else.

use warnings;
no warnings 'portable';
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP;
use Test::More;

use ShardTest;

my $t;
my $http = HTTP::Tiny->new(timeout => 10);

keyspace('hash', [ '--shards', 2 ], 'k',
         '4000000000000000', 'c000000000000000');
keyspace('uint64', [ '--kind', 'range uint64', '--cuts', 100 ], '', 40, 170);
keyspace('bytes', [ '--kind', 'range bytes', '--cuts', 'k5' ], 'k', 'k3', 'k77');
merged_first();

done_testing();


sub act {
    my ($what, @args) = @_;

    my ($status, $out, $err) = $t->try_ctl('--json', @args, '--wait', '--timeout', '60s');

    is($status, 0, $what) or diag("$out$err");
    return $out =~ /^\{/ ? decode_json($out) : {};
}


sub node { my ($name, $path) = @_; return $http->get("http://$t->{nodes}{$name}{addr}$path") }

sub stats {
    my ($name, $shard) = @_;
    return decode_json(node($name, "/_shard/$shard/stats")->{content});
}


# what a node has of a shard: key => value, or the queue's entries in order

sub content_of {
    my ($name, $shard) = @_;

    my %has;

    for (split /\n/, node($name, "/_shard/$shard/snapshot")->{content}) {
        my $line = decode_json($_);

        if (defined $line->{q}) {
            $has{"queue $line->{q}"}[$line->{n} - 1] = $line->{v};
        } else {
            $has{$line->{k}} = $line->{v};
        }
    }

    return \%has;
}


# every key is at its shard's primary, and nowhere else

sub stores_are_whole {
    my ($what) = @_;

    my $rec = $t->records();
    my (%home, @twice, @strange);

    for my $id (keys %$rec) {
        my $has = content_of($rec->{$id}{primary}, $id);

        for my $key (keys %$has) {
            push @twice, $key if defined $home{$key};
            $home{$key} = $id;
        }
    }

    # of a sample the table's own word

    for my $key ((sort keys %home)[0 .. 30]) {
        next if !defined $key;
        my $name = $key =~ s/^queue //r;
        my $at = $t->ctl('locate', $name)->{shard};
        push @strange, "$key: $home{$key}, not $at" if $at != $home{$key};
    }

    cmp_ok(scalar keys %home, '>', 30, "$what: keys are there");
    is(scalar @twice, 0, "$what: no key in two shards") or diag("@twice[0 .. ($#twice < 9 ? $#twice : 9)]");
    is_deeply(\@strange, [], "$what: each in the shard that holds it");
}


sub keyspace {
    my ($order, $kind, $prefix, @cuts) = @_;

    $t = ShardTest->new(name => "55_$order", shards => 2);
    $t->start_redis();
    $t->start_nodes(3);
    $t->ctl('init', @$kind,
            map { ('--node', "$_=$t->{nodes}{$_}{addr},zone=$t->{nodes}{$_}{zone},capacity=1000") }
            $t->node_names());
    $t->start_nginx();
    wait_for { $t->api('')->{version} >= 1 } 5, 'the table in nginx';
    $t->start_daemon('shard-migrator', 'migrator', $t->migrator_conf('m1'));

    $t->start_load(rate => 300, options => [ '--keys', 60, '--queues', 20, '--prefix', $prefix ]);
    $t->wait_served(300);

    # in place, and to another node at once

    my $first = ($t->shards_in_order())[0];
    act("$order: split in place", 'split', $first, '--at', $cuts[0]);
    my ($one, $two) = ($t->shards_in_order())[0, 1];

    is($one, $first, "$order: the lower keys stay");
    is($t->records()->{$two}{primary}, $t->records()->{$one}{primary}, "$order: the child inherits the node");
    is($t->records()->{$_}{epoch}, 2, "$order: epoch of $_") for $one, $two;
    is($t->records()->{$_}{phase} // 'steady', 'steady', "$order: $_ is steady") for $one, $two;

    $t->wait_served(100);
    my $last = ($t->shards_in_order())[-1];
    my $to = (grep { $_ ne $t->records()->{$last}{primary} } 'n1' .. 'n3')[0];

    act("$order: split to $to", 'split', $last, '--at', $cuts[1], '--to', $to);
    is($t->records()->{($t->shards_in_order())[-1]}{primary}, $to, "$order: the new one is there");
    is(scalar($t->shards_in_order()), 4, "$order: four shards");
    $t->wait_served(100);

    # a shard for one key

    my $key = (grep { !/^queue/ } sort keys %{ content_of($t->records()->{$two}{primary}, $two) })[3];
    my $home = $t->ctl('locate', $key)->{shard};

    act("$order: isolate $key", 'split', $home, '--around', $key, '--to', 'n3');
    wait_for { scalar($t->shards_in_order()) == 6 } 30, "$order: the second split";
    wait_for { !grep { $_->{migration} } values %{$t->records()} } 30, "$order: nothing is in hand";

    my $alone = $t->ctl('locate', $key)->{shard};
    is($t->records()->{$alone}{primary}, 'n3', "$order: the key is on n3");
    is_deeply([ grep { !/^queue/ } keys %{content_of('n3', $alone)} ], [ $key ], "$order: alone");
    $t->wait_served(100);

    stores_are_whole($order);

    # and back to two: below and above, on the same node and from another

    my @ids = $t->shards_in_order();

    act("$order: merge of $ids[0] and $ids[1]", 'merge', $ids[0], $ids[1]);
    act("$order: merge of $ids[3] and $ids[2]", 'merge', $ids[3], $ids[2]);
    $t->wait_served(100);
    act("$order: merge of $ids[0] and $ids[3]", 'merge', $ids[0], $ids[3]);
    act("$order: merge of $ids[5] and $ids[4]", 'merge', $ids[5], $ids[4]);
    is_deeply([ $t->shards_in_order() ], [ $ids[0], $ids[5] ], "$order: two are left");

    act("$order: once more", 'split', $ids[0], '--at', $cuts[0], '--to', 'n3');
    is(scalar(grep { $_ == ($t->shards_in_order())[1] } @ids), 0, "$order: a new shard has an id of its own");

    my $report = $t->end_load();

    $t->load_is_clean($report, $order);
    stores_are_whole("$order at the end");

    my $rec = $t->records();
    my @left = grep { $_->[2] } map { my $n = $_; map { [ $n, $_, stats($n, $_)->{items} ] } grep { !$rec->{$_} } 0 .. 20 } 'n1' .. 'n3';
    is_deeply(\@left, [], "$order: nothing is left of shards that are gone");

    my @holds = sort { $a <=> $b } map { $_->{hold_ms} } grep { $_->{hold_at_ms} } map { $t->migration($_) }
                @{ $t->redis()->command('ZRANGE', $t->key('migrations'), 0, -1) };
    note("$order: holds in ms: @holds");

    $t->finish();
}


# an id that "init" gave goes with its shard, too

sub merged_first {
    $t = ShardTest->new(name => '55_first', shards => 2);
    $t->start_redis();
    $t->start_nodes(1);
    $t->ctl('init', '--shards', 2, '--node', "n1=$t->{nodes}{n1}{addr},zone=z1,capacity=1000");
    $t->start_daemon('shard-migrator', 'migrator', $t->migrator_conf('m1'));

    act('first: merge', 'merge', 0, 1);
    is_deeply([ $t->shards_in_order() ], [ 0 ], 'first: one is left');
    act('first: split', 'split', 0);
    is(scalar(my @two = $t->shards_in_order()), 2, 'first: two again');
    ok(!(grep { $_ == 1 } @two), 'first: the new one is not the one that is gone') or diag("@two");
    $t->finish();
}

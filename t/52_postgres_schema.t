#!/usr/bin/perl

# What PostgreSQL was taught by an older shardkv is brought up to date, with
# data and roles as they were; by a newer one, or by another user, refused.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use Test::More;

use ShardTest;
use ShardTest::Postgres;


my $t = ShardTest->new();
my $pg = ShardTest::Postgres->start(name => 'n1');
my $http = HTTP::Tiny->new(timeout => 10);
my $node = $t->start_node('n1', store => $pg->url());

my ($own) = slurp($t->top() . '/conf/postgres.sql') =~ /'nginx-shard (\d+)'/;

my $version = "SELECT obj_description('shard'::regnamespace)";
my $mark = "SELECT obj_description('shardkv'::regnamespace)";
my $old = q{CREATE OR REPLACE FUNCTION shardkv.put(p_shard bigint, p_epoch text,
    p_key bytea, p_value bytea) RETURNS bigint LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''an old one''; END'};


sub call {
    my ($method, $path, $body, %headers) = @_;

    return $http->request($method, "http://$t->{nodes}{n1}{addr}$path",
                          { content => $body // '', headers => \%headers });
}

sub put {
    return call('PUT', "/kv/$_[0]", $_[1], 'X-Shard-Id' => 7,
                'X-Shard-Epoch' => 3)->{status};
}

sub get {
    return call('GET', "/kv/$_[0]", '', 'X-Shard-Id' => 7,
                'X-Shard-Epoch' => 3)->{content};
}


# a shardkv that must not start: its status and words

sub refused {
    my ($url) = @_;

    my ($rc, undef, $err) = $t->run('timeout', 20, $t->program('shardkv'), '--listen',
                                    '127.0.0.1:' . free_port(), '--name', 'n2',
                                    '--store', $url);
    return "$rc $err";
}


ok($own >= 2, "conf/postgres.sql has version $own");
is($pg->sql($version), "nginx-shard $own", 'an empty database gets it');
like($pg->sql($mark), qr/^shardkv $own [0-9a-f]{16}$/, 'and what was run');

my $own_mark = $pg->sql($mark);

is(call('PUT', '/_shard/7/role', '{"role":"primary","epoch":3}')->{status}, 200, 'a primary');
is(put('a', 'kept') . get('a'), '204kept', 'with data');


# an older one: no version at all, functions that are gone or say something else

my %older = (
    'without a version' => [ 'COMMENT ON SCHEMA shard IS NULL', 'COMMENT ON SCHEMA shardkv IS NULL',
                             'DROP FUNCTION shard.size(bigint)' ],
    'of an older version' => [ "COMMENT ON SCHEMA shard IS 'nginx-shard 1'" ],
    'of the same version, but other scripts' => [ "COMMENT ON SCHEMA shardkv IS 'shardkv $own 0123456789abcdef'" ],
    'not made to the end' => [ 'COMMENT ON SCHEMA shardkv IS NULL',
                               'DROP FUNCTION shardkv.append(bigint, text, bytea, bytea)' ],
);

for my $name (sort keys %older) {
    $node->stop();
    $pg->sql($old, @{ $older{$name} });
    $node->start();

    is($pg->sql($version), "nginx-shard $own", "$name: the version");
    is($pg->sql($mark), $own_mark, "$name: the mark");
    is(put('b', $name) . get('b'), "204$name", "$name: its functions are this one's");
    is(get('a'), 'kept', "$name: data stay");
    like(call('GET', '/_shard/7/stats')->{content}, qr/"role":"primary","epoch":3,/, "$name: the role, too");
}


# one that is as it should be is left alone, and so is one made by hand

$node->stop();
$pg->sql($old);
$node->start();
is(put('c', 'x'), 503, 'nothing is run again without need');
$node->stop();
$pg->sql('COMMENT ON SCHEMA shardkv IS NULL');
$node->start();
is(put('c', 'x'), 503, 'what a hand made of this version is taken as it is');


# a newer one would lose what others need of it

$node->stop();
$pg->sql("COMMENT ON SCHEMA shard IS 'nginx-shard @{[ $own + 1 ]}'");
like(refused($pg->url()), qr/^1 .*its schema has version @{[ $own + 1 ]}, this shardkv's is $own: a newer shardkv/s,
     'a newer version is refused');
is($pg->sql($version), 'nginx-shard ' . ($own + 1), 'and stays');


# an older one and a user to whom it does not belong

my $url = $pg->url() =~ s/postgres\@/app\@/r;

$pg->sql('CREATE ROLE app LOGIN', "COMMENT ON SCHEMA shard IS 'nginx-shard 1'");
like(refused($url), qr{^1 .*\(version 1, $own is needed: its owner runs psql -f conf/postgres\.sql -f examples/shardkv/postgres\.sql\)}s,
     'who does not own it is told who can');
is($pg->sql($version), 'nginx-shard 1', 'nothing was done by halves');

# ... which is the way out

my @psql = ('/usr/lib/postgresql/15/bin/psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $pg->conninfo());
my ($rc, undef, $err) = $t->run(@psql, map { ('-f', $t->top() . "/$_") } 'conf/postgres.sql', 'examples/shardkv/postgres.sql');
is("$rc$err", '0', 'both by psql');

$t->start_node('n2', store => $url);
ok(1, 'and it starts');
$t->process('n2')->stop();

$node->start();
is(put('d', 'x'), 204, 'as the owner, too');
is(get('a'), 'kept', 'with all that was there');

$pg->stop();
$t->finish();
done_testing();

#!/usr/bin/perl

# Keyspaces of every kind side by side, each location with its own key:
# ranges of numbers and of bytes, lists of units.  Boundaries at their edges,
# splits and moves by the log, keys and changes that are refused, restarts.

use warnings;
use strict;

use Test::More;
use JSON::PP;

use ShardTest;

my $t = ShardTest->new(shards => 4, keyspace => 'orders');
my %port = map { $_ => free_port() } qw/ n1 n2 n3 /;
my %space = (ids => 'range uint64', days => 'range bytes', units => 'list');

$t->start_redis();
$t->{nodes}{$_} = { name => $_, addr => "127.0.0.1:$port{$_}", capacity => 100,
                    zone => 'z1' } for keys %port;
$t->seed(silent => 1);


sub commit {
    my ($keyspace, @changes) = @_;

    local $t->{keyspace} = $keyspace;
    return $t->commit('keyspace', @changes);
}

sub put_shard { return ('shard', $_[0], encode_json($_[1])) }

my @nodes = map { ('node', $_, encode_json({ addr => $t->{nodes}{$_}{addr}, zone => 'z1',
                                             capacity => 100, state => 'up' })) } sort keys %port;

my %first = (
    ids => [
        put_shard(0, { lo => '0' x 16, hi => sprintf('%016x', 1000), primary => 'n1', epoch => 1 }),
        put_shard(1, { lo => sprintf('%016x', 1000), hi => 'f' x 15 . '0', primary => 'n2', epoch => 1 }),
        put_shard(2, { lo => 'f' x 15 . '0', hi => undef, primary => 'n3', epoch => 1 }) ],
    days => [
        put_shard(0, { lo => '', hi => '2026-01', primary => 'n1', epoch => 1 }),
        put_shard(1, { lo => '2026-01', hi => '2026-01-15', primary => 'n2', epoch => 1 }),
        put_shard(2, { lo => '2026-01-15', hi => '2026-02', primary => 'n3', epoch => 1 }),
        put_shard(3, { lo => '2026-02', hi => '%ff', primary => 'n1', epoch => 1 }),
        put_shard(4, { lo => '%ff', hi => undef, primary => 'n2', epoch => 1 }) ],
    units => [
        put_shard(7, { default => JSON::PP::true, primary => 'n1', epoch => 1 }),
        put_shard(8, { units => [ 'checkout' ], primary => 'n2', epoch => 1 }),
        put_shard(9, { units => [ 'search', 'caf%c3%a9', 'billing' ], primary => 'n3', epoch => 1 }) ],
);

for my $name (sort keys %space) {
    my $got = commit($name, 'meta', 'kind', $space{$name}, @nodes, @{ $first{$name} });
    is($got->[0], 'ok', "a first table of \"$space{$name}\"") or diag "@$got";
}

my $backends = join '', map { <<"CONF" } sort keys %port;
server {
    listen 127.0.0.1:$port{$_};
    location / { return 200 "\$http_x_shard_id $_"; }
}
CONF

my $tables = join '', map { <<"CONF" } sort keys %space;
shard_table $_ 4m state=$t->{dir}/nginx/$_.shards;
upstream $_ { shard $_ key=\$arg_key; keepalive 8; }
CONF

my $locations = join '', map { <<"CONF" } sort keys %space;
location = /$_ {
    proxy_pass         http://$_;
    proxy_http_version 1.1;
    proxy_set_header   Connection "";
    proxy_set_header   X-Shard-Id \$shard_id;
}
CONF

my %conf = (http => $backends . $tables, server => $locations);

$t->start_nginx(%conf);


sub shown {
    my ($keyspace) = @_;
    local $t->{keyspace} = $keyspace;
    return $t->api('');
}

sub current {
    my ($keyspace) = @_;
    local $t->{keyspace} = $keyspace;
    my $version = $t->version();
    wait_for { $t->api('')->{version} == $version } 5, "$keyspace at version $version";
}

sub where {
    my ($keyspace, $key) = @_;

    $key =~ s/([^A-Za-z0-9.-])/sprintf '%%%02x', ord $1/ge;
    my $answer = $t->get("/$keyspace?key=$key");
    return $answer->{status} == 200 ? $answer->{content} : $answer->{status};
}

sub are {
    my ($keyspace, $what, %where) = @_;

    my %got = map { $_ => where($keyspace, $_) } keys %where;
    is_deeply(\%got, \%where, "$space{$keyspace}: $what");
}

current($_) for sort keys %space;
is(shown($_)->{kind}, $space{$_}, "the kind of $_") for sort keys %space;

are('ids', 'numbers in order', 0 => '0 n1', 999 => '0 n1', 1000 => '1 n2', '0001000' => '1 n2',
    '18446744073709551599' => '1 n2', '18446744073709551600' => '2 n3',
    '18446744073709551615' => '2 n3');
is(where('ids', $_), 400, "\"$_\" is no number of 64 bits")
    for '18446744073709551616', '-1', '1e3', 'x', '', ' 1', '99999999999999999999999';

# a variable keeps bytes as they came, so a key is compared percent-encoded
# unless it is plain: these are

are('days', 'bytes in order', 'a' => '3 n1', '1999' => '0 n1', '2025-12-31' => '0 n1',
    '2026-01' => '1 n2', '2026-01-14' => '1 n2', '2026-01-15' => '2 n3', '2026-01-15T08' => '2 n3',
    '2026-01-9' => '2 n3', '2026-02' => '3 n1', '2026' => '0 n1', '' => '0 n1');

are('units', 'units by name', checkout => '8 n2', search => '9 n3', billing => '9 n3',
    nobody => '7 n1', '' => '7 n1', Checkout => '7 n1');


# moves, splits, merges by the log

is(commit('ids', put_shard(1, { lo => sprintf('%016x', 1000), hi => sprintf('%016x', 5000),
                                primary => 'n2', epoch => 1 }),
          put_shard(3, { lo => sprintf('%016x', 5000), hi => 'f' x 15 . '0', primary => 'n3', epoch => 1 }))->[0],
   'ok', 'a split of numbers');
is(commit('days', put_shard(0, { lo => '', hi => '2025-07', primary => 'n1', epoch => 1 }),
          put_shard(5, { lo => '2025-07', hi => '2026-01', primary => 'n3', epoch => 1 }))->[0],
   'ok', 'a split of bytes');
is(commit('days', put_shard(1, { lo => '2026-01', hi => '2026-02', primary => 'n2', epoch => 1 }),
          'shard', 2, '')->[0], 'ok', 'a merge of bytes whose first 8 are the same');
is(commit('units', put_shard(9, { units => [ 'search' ], primary => 'n3', epoch => 1 }),
          put_shard(10, { units => [ 'billing', 'ads' ], primary => 'n1', epoch => 1 }))->[0],
   'ok', 'a unit taken out of a shard');
is(commit('units', put_shard(7, { default => JSON::PP::true, units => [ 'misc' ], primary => 'n2', epoch => 2 }))->[0],
   'ok', 'the default shard moves');
current($_) for sort keys %space;

my %after = (
    ids => { 999 => '0 n1', 4999 => '1 n2', 5000 => '3 n3', '18446744073709551600' => '2 n3' },
    days => { '2025-06-30' => '0 n1', '2025-07' => '5 n3', '2026-01-14' => '1 n2',
              '2026-01-20' => '1 n2', '2026-02' => '3 n1' },
    units => { search => '9 n3', billing => '10 n1', ads => '10 n1', checkout => '8 n2',
               nobody => '7 n2', misc => '7 n2' });

are($_, 'after splits and merges', %{ $after{$_} }) for sort keys %after;


# what slips into the log past the commit function is refused whole

my $refused = $t->api('')->{rejected_updates};

sub slip {
    my ($keyspace, @changes) = @_;

    local $t->{keyspace} = $keyspace;
    my $version = $t->version() + 1;
    my @fields;

    while (my ($kind, $id, $json) = splice @changes, 0, 3) {
        push @fields, "$kind:$id", $json;
    }

    $t->redis()->command('XADD', $t->key('log'), "$version-0", by => 'x', op => "slip$version", @fields);
    $t->redis()->command('HSET', $t->key('meta'), 'version', $version);
    wait_for { $t->api('')->{version} == $version } 5, "version $version";
}

$t->allow(qr/version \d+ refused/);

slip('ids', put_shard(3, { lo => sprintf('%016x', 5001), hi => 'f' x 15 . '0', primary => 'n3', epoch => 2 }));
slip('days', put_shard(5, { lo => '2025-07', hi => '2026-01-02', primary => 'n3', epoch => 2 }));
slip('days', 'shard', 5, '');
slip('units', put_shard(8, { units => [ 'checkout', 'ads' ], primary => 'n2', epoch => 2 }));
slip('units', 'shard', 7, '');
slip('units', put_shard(11, { default => JSON::PP::true, primary => 'n2', epoch => 2 }));

are($_, 'refused changes changed nothing', %{ $after{$_} }) for sort keys %after;
my $log = $t->error_log();
like($log, qr/keyspace "$_": version \d+ refused/, "$_: the log says so") for sort keys %space;


# another size, and a start from disk without Redis

my $text = $t->nginx_conf(%conf);
$text =~ s/(shard_table \w+) 4m/$1 6m/g;
spew($t->{nginx_conf}, $text);
$t->reload();
are($_, 'in a zone of another size', %{ $after{$_} }) for sort keys %after;

wait_for {
    my $all = 1;

    for my $name (keys %space) {
        local $t->{keyspace} = $name;
        my $version = $t->version();
        $all &&= -e "$t->{dir}/nginx/$name.shards"
                 && slurp("$t->{dir}/nginx/$name.shards") =~ /^nginx-shard-state 2 $name $version $space{$name}\n/;
    }

    $all;
} 10, 'state files';

$t->process('redis')->stop();
$t->process('nginx')->stop();
$t->process('nginx')->start();
are($_, 'from the state file', %{ $after{$_} }) for sort keys %after;

$t->finish();
done_testing();

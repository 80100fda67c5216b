#!/usr/bin/perl

# A million shards on 4,096 nodes in one keyspace: what they take of the zone,
# loads beside requests, changes and splits, a leader killed, a start without
# Redis, a zone too small.  Times are printed, not judged: that is the bench's.

use warnings;
use strict;

use Test::More;
use JSON::PP;
use Time::HiRes qw/ time sleep /;

use ShardTest;

my $shards = $ENV{SHARD_TEST_SHARDS} || 1_000_000;
my $nodes = 4096;
my $zone = 128;

my $t = ShardTest->new(shards => 4, keyspace => 'orders');
my $port = free_port();

$t->start_redis('--appendonly', 'no');

# every node is the same server: which one was meant is told by a header

my $began = time();
$t->redis()->command('FUNCTION', 'LOAD', 'REPLACE', $t->library());
my %at = (addr => sub { "127.0.0.1:$port" });
$t->seed_large($shards, $nodes, %at);
note(sprintf 'written in %.1f s', time() - $began);

my $http = <<"CONF";
server {
    listen 127.0.0.1:$port;
    location / { return 200 "\$http_x_shard_id \$http_x_shard_node"; }
}
CONF

my $conf = sub {
    my ($size) = @_;
    my $text = $t->nginx_conf(http => $http, upstream => 'keepalive 64;',
                              server => 'location = /ping { return 204; }');
    $text =~ s/shard_table  orders \S+/shard_table  orders $size/;
    $text =~ s/(proxy_set_header   X-Shard-Id)/proxy_set_header X-Shard-Node \$shard_node;\n            $1/;
    return $text;
};

# with the bench's watch preloaded, turns of the event loop are told as well

my $watch = $t->program('bench/loopwatch.so');

$t->{nginx_port} = free_port();
$t->start_nginx();

if (-e $watch && !$ENV{SHARD_SAN}) {
    mkdir "$t->{dir}/turns";
    $t->process('nginx')->{env}{LD_PRELOAD} = $watch;
    $t->process('nginx')->{env}{LOOPWATCH_DIR} = "$t->{dir}/turns";
}

spew($t->{nginx_conf}, $conf->("${zone}m"));
$t->process('nginx')->stop();
unlink "$t->{dir}/nginx/orders.shards";
$t->process('nginx')->start();

# requests of one worker's loop, while it works on the table

my $slowest = 0;

sub ping_until {
    my ($what, $seconds, $code) = @_;

    my $http = HTTP::Tiny->new(keep_alive => 1, timeout => 10);
    my $until = time() + $seconds;
    my ($n, $failed, $worst) = (0, 0, 0);
    my $start = time();

    while (!$code->()) {
        die "not within $seconds s: $what\n" if time() > $until;

        for (1 .. 100) {
            my $at = time();
            $failed++ if $http->get($t->url('/ping'))->{status} != 204;
            my $took = time() - $at;
            $worst = $took if $took > $worst;
            $n++;
        }
    }

    is($failed, 0, "$what: no request failed");
    note(sprintf '%s: %.1f s, %d requests beside it, the slowest %.1f ms',
         $what, time() - $start, $n, 1000 * $worst);
    $slowest = $worst if $worst > $slowest;
    note(sprintf '%s: the longest turns of the event loop took %s ms of CPU',
         $what, join ' ', turns($start)) if -d "$t->{dir}/turns";
}


sub turns {
    my ($since) = @_;

    my @ms = sort { $b <=> $a } map { $_->[1] } grep { $_->[0] >= $since }
             map { map { [ split / / ] } split /\n/, slurp($_) }
             glob "$t->{dir}/turns/*";

    return @ms > 5 ? @ms[0 .. 4] : @ms;
}

sub shown { return $t->api('') }

ping_until('the first load', 120, sub { shown()->{version} == 1 });

my $got = shown();
is($got->{shards}, $shards, 'all shards are there');
is($got->{nodes}, $nodes, 'and all nodes');
cmp_ok($got->{shards_max}, '>=', 1_000_000, "a zone of $zone MB holds a million");

my $bytes = $zone * 1024 * 1024 / $got->{shards_max};
note(sprintf '%.1f bytes of the zone for a shard, all included', $bytes);
cmp_ok($bytes, '<=', 128, 'at most 128 bytes for a shard');


sub hex48 { return hex(substr($_[0], 0, 6)) * 2 ** 24 + hex(substr($_[0], 6, 6)) }

sub name { return sprintf 'node-%04d', $_[0] + 1 }


# routing, by what each key's node was told

my %seen;
my $wrong = 0;

for my $n (1 .. 300) {
    my ($id, $node) = split / /, $t->get('/', 'X-Key' => "key$n")->{content};
    $wrong++ if !defined $node || $node ne name($id % $nodes);
    $seen{$id} = "key$n";
}

is($wrong, 0, 'every key reaches the node of its shard');
cmp_ok(scalar keys %seen, '>', 290, 'and keys are spread over shards');


# a change of one, then a split: boundaries of all the others stay

sub commit_one {
    my ($id, %fields) = @_;

    my $record = $t->shard_record($id);
    my $got = $t->commit("shard:$id", 'shard', $id,
                         encode_json({ %$record, %fields }));
    die "@$got" if $got->[0] ne 'ok';
    return $got->[1];
}

my ($id, $key) = each %seen;
my $version = commit_one($id, primary => name(7), epoch => 2);
my $at = time();
wait_for { shown()->{version} == $version } 5, 'the change';
note(sprintf 'a change reached the worker in %.1f ms', 1000 * (time() - $at));
is((split / /, $t->get('/', 'X-Key' => $key)->{content})[1], name(7), 'a move');

my $record = $t->shard_record($id);
my $cut = sprintf '%012x0000', hex48($record->{lo}) / 2 + hex48($record->{hi}) / 2;
my $new = $shards + 5;

$got = $t->commit('keyspace',
    'shard', $id, encode_json({ %$record, hi => $cut }),
    'shard', $new, encode_json({ %$record, lo => $cut, primary => name(9), epoch => 1 }));
is($got->[0], 'ok', 'a split is committed') or diag "@$got";

ping_until('the split', 60, sub { shown()->{version} == $got->[1] });
is(shown()->{shards}, $shards + 1, 'one more shard');
is($t->api("/shards/$new")->{lo}, $cut, 'it begins at the cut');

$wrong = 0;

for my $other (grep { $_ != $id } keys %seen) {
    my ($now) = split / /, $t->get('/', 'X-Key' => $seen{$other})->{content};
    $wrong++ if $now != $other;
}

is($wrong, 0, 'every other key is where it was');


# all of it again, and again by another leader

$t->redis()->command('HINCRBY', $t->key('meta'), 'version', 5);
my $whole = $got->[1] + 5;
ping_until('a whole load beside the one in use', 120,
           sub { shown()->{version} == $whole });
is(shown()->{shards}, $shards + 1, 'as many shards');

my ($leader) = $t->error_log() =~ /.*\s(\d+)#\d+: keyspace "orders": this worker keeps/s;
kill 'KILL', $leader or die "kill: $!";
$t->allow(qr/exited on signal 9/);
my $redo = commit_one($id, primary => name(8), epoch => 3);
ping_until('another leader, the first one killed', 120,
           sub { my $v = eval { shown()->{version} }; $v && $v == $redo });
my ($mine) = grep { $_ == $id || $_ == $new } (split / /, $t->get('/', 'X-Key' => $key)->{content})[0];
ok(defined $mine, 'the key is in one of the two halves');


# on disk, and from there without Redis

wait_for { -e "$t->{dir}/nginx/orders.shards"
           && slurp_head("$t->{dir}/nginx/orders.shards") =~ / $redo hash$/ }
         60, 'the state file';

sub slurp_head {
    open(my $f, '<', $_[0]) or return '';
    my $line = readline($f) // '';
    chomp $line;
    return $line;
}

$t->process('redis')->stop();
$t->process('nginx')->stop();
$at = time();
$t->process('nginx')->start();
wait_for { $t->get('/', 'X-Key' => $key)->{status} == 200 } 60, 'a start without Redis';
note(sprintf 'from the state file in %.1f s', time() - $at);
is((split / /, $t->get('/', 'X-Key' => $key)->{content})[1],
   $mine == $id ? name(8) : name(9), 'as it was last');

note(sprintf 'the slowest request in all: %.1f ms', 1000 * $slowest);


# a zone that does not hold it says what would

$t->allow(qr/do not fit a zone|need a zone/);
spew($t->{nginx_conf}, $conf->('64m'));
$t->process('nginx')->signal('HUP');
wait_for { $t->error_log() =~ /do not fit a zone of 67108864 bytes/ } 30, 'refused';
pass('a reload to a zone too small is refused');

$t->process('nginx')->stop();
unlink "$t->{dir}/nginx/orders.shards";
$t->process('nginx')->start();
$t->process('redis')->start();
$t->redis()->{sock} = undef;
$t->seed_large(600_000, $nodes, %at);
wait_for { $t->error_log() =~ /600000 shards need a zone of about (\d+) MB, "shard_table" gives 64 MB/ }
         60, 'both sizes';
pass('a table too big for its zone is refused with both sizes');
is($t->get('/', 'X-Key' => 'a')->{status}, 503, 'there is no table then');

$t->allow(qr/has no table/);
$t->finish();
done_testing();

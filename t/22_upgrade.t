#!/usr/bin/perl

# A binary upgrade under load: USR2, WINCH, QUIT, and back again.  Two
# binaries serve at once, from a table each; no cutover meanwhile, and no
# request fails, is lost or overtakes another.

use warnings;
use strict;

use Test::More;
use JSON::PP;
use Time::HiRes qw/ sleep time /;

use ShardTest;

my $t = ShardTest->new(shards => 8, keyspace => 'orders');

$t->start_redis();
$t->start_nodes(2);
$t->seed(place => sub { 'n1' });

# nginx takes USR2 only where its master is no child of who started it

my $dir = "$t->{dir}/nginx";
my $pid_file = "$dir/nginx.pid";

mkdir $dir;
$t->{nginx_port} = free_port();
my $conf = $t->nginx_conf(main => $ENV{SHARD_SAN} ? 'env LD_PRELOAD; env ASAN_OPTIONS;' : '');
$conf =~ s/^daemon off;/daemon on;/m;
$conf =~ s/ reuseport;/;/;
spew("$dir/nginx.conf", $conf);

my @nginx = ('/usr/sbin/nginx', '-p', $dir, '-c', "$dir/nginx.conf", '-e', "$dir/error.log");

sub master {
    my $pid = -e $_[0] ? slurp($_[0]) : '';
    chomp $pid;
    return $pid;
}

$ENV{LD_PRELOAD} = ShardTest::sanitizer_libraries() if $ENV{SHARD_SAN};
$ENV{ASAN_OPTIONS} = 'detect_leaks=0';

my $started = system(@nginx);
delete $ENV{LD_PRELOAD};

END {
    my $status = $?;
    kill 'KILL', grep { $_ } map { children($_), $_ } map { master($_) } $pid_file, "$pid_file.oldbin";
    $? = $status;
}

is($started, 0, 'nginx as a daemon');
wait_for { $t->get('/kv/a', 'X-Key' => 'a')->{status} == 404 } 5, 'a table';
wait_for { -s "$dir/orders.shards" } 5, 'a state file for the next binary';


sub children {
    my ($pid) = @_;
    return $pid && -e "/proc/$pid/task/$pid/children"
           ? split / /, slurp("/proc/$pid/task/$pid/children") : ();
}

sub routers {
    my %all = @{ $t->redis()->command('HGETALL', $t->key('routers')) };
    return { map { $_ => decode_json($all{$_}) } keys %all };
}

sub live {
    my $now = time() * 1000;
    my $all = routers();
    return join ' ', sort grep { $now - $all->{$_}{time_ms} < 3000 } keys %$all;
}

sub update {
    my ($id, %fields) = @_;

    my $record = $t->shard_record($id);
    my $got = $t->commit("shard:$id", 'shard', $id, encode_json({ %$record, %fields }));
    die "@$got" if $got->[0] ne 'ok';
    return $got->[1];
}

sub drained {
    my ($id) = @_;

    my $all = routers();
    return join ' ', map { my $b = $all->{$_}{barriers}{$id}; $_ . ':' . ($b && $b->{drained} ? 1 : 0) }
                     split / /, live();
}

$t->start_load(rate => 150);
$t->wait_served(30);
is(live(), 'edge-1', 'one router');


# a new binary beside the old one

my $old = master($pid_file);
kill 'USR2', $old;
wait_for { -e "$pid_file.oldbin" && master($pid_file) ne $old && master($pid_file) } 10, 'the new master';
my $new = master($pid_file);
wait_for { live() eq 'edge-1 edge-1.upgrade' } 10, 'two routers';
pass('the new binary goes by a name of its own');
$t->wait_served(30);

my $version = update(3, phase => 'held');
wait_for { my $all = routers(); $all->{'edge-1.upgrade'}{version} >= $version
           && $all->{'edge-1'}{version} >= $version } 5, 'the hold in both';
sleep(0.5);
like(drained(3), qr/edge-1.upgrade:0/, 'no barrier while the old workers are there');
update(3, phase => 'steady');
$t->wait_served(30);


# the old workers leave, then their master

kill 'WINCH', $old;
wait_for { live() eq 'edge-1' && routers()->{'edge-1'}{instance} ne '' && !routers()->{'edge-1.upgrade'} }
         15, 'the new one has the name';
$t->wait_served(30);

$version = update(3, phase => 'held');
wait_for { drained(3) eq 'edge-1:1' } 5, 'a barrier again';
pass('with the old workers gone a barrier is reported');
update(3, phase => 'steady');

kill 'QUIT', $old;
wait_for { !kill 0, $old } 10, 'the old master is gone';
$t->wait_served(30);


# once more, and back: the new binary is given up

kill 'USR2', $new;
wait_for { -e "$pid_file.oldbin" && master($pid_file) ne $new && master($pid_file) } 10, 'a third master';
my $third = master($pid_file);
wait_for { live() eq 'edge-1 edge-1.upgrade' } 10, 'two routers again';
kill 'QUIT', $third;
wait_for { !kill 0, $third } 15, 'the third master is gone';
wait_for { live() eq 'edge-1' } 10, 'one router is left';

$version = update(3, phase => 'held');
wait_for { drained(3) eq 'edge-1:1' } 5, 'a barrier of the one that stayed';
update(3, phase => 'steady', primary => 'n1');
$t->wait_served(30);

$t->load_is_clean($t->end_load(), 'upgrades under load');

kill 'QUIT', $new;
wait_for { !kill 0, $new } 15, 'the end';

my @bad = grep { /\[(alert|emerg|crit)\]|Sanitizer|runtime error/ } split /\n/, $t->error_log();
is("@bad", '', 'the log is clean');

$t->finish();
done_testing();

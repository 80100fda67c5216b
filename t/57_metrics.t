#!/usr/bin/perl

# What a migrator tells Prometheus: its migrations by phase, how they ended
# and why, how long they held; against what Redis has of the same.

use warnings;
use strict;

use HTTP::Tiny;
use JSON::PP;
use Test::More;

use ShardTest;

my $t = ShardTest->new(shards => 6, workers => 1);
my $port = free_port();
my $http = HTTP::Tiny->new(timeout => 10);

$t->start_redis();
$t->start_nodes(2);
$t->seed();
$t->start_nginx(interval => '100ms');

my $r = $t->redis();

wait_for { $t->get('/kv/a', 'X-Key' => 'a')->{status} == 404 } 10, 'a table';


# { 'running phase="copy"' => 1, ... }: series without what all of them have,
# what is wrong with the text, and its type

sub figures {
    my $answer = $http->get("http://127.0.0.1:$port/metrics");
    my ($value, @bad) = ShardTest::parse_metrics($answer->{content});
    my %short;

    for my $series (keys %$value) {
        my ($name, $labels) = $series =~ /^shard_migrator_(\w+)\{(.*)\}$/;

        push @bad, "without its keyspace: $series"
            if !defined $labels || $labels !~ s/(?:^|,)keyspace="orders"//;
        $short{join ' ', grep { defined && length } $name, $labels =~ s/^,//r} = $value->{$series};
    }

    return (\%short, "@bad", $answer->{headers}{'content-type'} || '');
}

sub figure { return (figures())[0]{$_[0]} // 'none' }

sub other { return $t->shard_record($_[0])->{primary} eq 'n1' ? 'n2' : 'n1' }


$t->start_daemon('shard-migrator', 'm1', $t->migrator_conf('m1', "metrics: 127.0.0.1:$port\n"));
wait_for { defined((figures())[0]{'done_total verb="move"'}) } 20, 'figures';

my ($value, $bad, $type) = figures();
is($bad, '', 'each line is a sample of a known type, and there once');
like($type, qr{^text/plain; version=0\.0\.4}, 'its type');
is(join(' ', grep { $value->{$_} != 0 } sort keys %$value), '', 'all 0 at first');


# three that arrive

my @ids = map { $t->migrate($_, other($_)) } 0 .. 2;
is("@{[ $t->wait_migrations(60, @ids) ]}", '', 'three moves');
wait_for { figure('done_total verb="move"') == 3 } 10, 'are counted';

($value, $bad) = figures();
is($bad, '', 'still sound');

my @migrations = map { $t->migration($_) } @ids;
my ($hold, $bytes) = (0, 0);
$hold += $_->{hold_ms}, $bytes += $_->{bytes} for @migrations;

cmp_ok(abs($value->{'hold_seconds_sum'} - $hold / 1000), '<', 0.0005, 'their holds');
is($value->{'hold_seconds_count'}, 3, 'so many');
is($value->{'hold_seconds_bucket le="+Inf"'}, 3, 'in the last bucket all');
is($value->{'bytes_total'}, $bytes, 'their bytes');

my %took;
$took{$_->{was}} += $_->{took_ms}
    for grep { $_->{what} eq 'phase' } map { $_->[1] } $r->stream($t->key('audit'));
my @wrong = grep { abs($value->{"phase_seconds_sum phase=\"$_\""} - $took{$_} / 1000) > 0.0005 }
            sort keys %took;
is("@wrong", '', 'how long each phase took, as the audit has it: ' . keys(%took) . ' phases');
is($value->{'phase_seconds_count phase="copy"'}, 3, 'three copies');
is((grep { /^rolled_back/ && $value->{$_} } keys %$value), 0, 'none rolled back');


# one at work, paused, then taken back; one that fails

$t->process('m1')->stop();
spew($t->dir() . '/m1.yaml',
     $t->migrator_conf('m1', "metrics: 127.0.0.1:$port\nhooks:\n"
                             . "    - { phase: catch-up, exec: [ sh, -c, 'test \$SHARD_ID != 4' ] }\n")
     =~ s/probes: 5\n/probes: 150\n/r =~ s/probe_interval: 5ms/probe_interval: 50ms/r);
$t->process('m1')->start();

my $id = $t->migrate(3, other(3));
wait_for { figure('running phase="warm-up"') eq '1' } 30, 'one in warm-up';
is(figure('done_total verb="move"'), 0, 'counters begin with the process');
$t->ctl('rollback', $id);
wait_for { figure('rolled_back_total reason="wish"') eq '1' } 30, 'rolled back by a wish';

$id = $t->migrate(4, other(4));
wait_for { figure('rolled_back_total reason="catch-up"') eq '1' } 30, 'one that failed, by its phase';
is(figure('rolled_back_total reason="wish"'), 1, 'and by nothing else');
like($t->migration($id)->{error}, qr/^catch-up: /, 'as its error has it');
wait_for { !grep { /^running/ && (figures())[0]{$_} } keys %{ (figures())[0] } } 10, 'none runs';


# who asks otherwise, and addresses that are none

is($http->post("http://127.0.0.1:$port/metrics")->{status}, 405, 'POST');
is($http->get("http://127.0.0.1:$port/")->{status}, 404, 'elsewhere');

spew($t->dir() . '/bad.yaml', $t->migrator_conf('m2', "metrics: localhost\n"));
my ($rc, undef, $err) = $t->run($t->program('shard-migrator'), '-c', $t->dir() . '/bad.yaml');
like("$rc $err", qr/^1 .*bad\.yaml: metrics: "localhost" is no address and port/, 'no address');

spew($t->dir() . '/taken.yaml', $t->migrator_conf('m2', "metrics: 127.0.0.1:$port\n"));
($rc, undef, $err) = $t->run($t->program('shard-migrator'), '-c', $t->dir() . '/taken.yaml');
like("$rc $err", qr/^1 .*metrics: cannot listen at 127\.0\.0\.1:$port: Address already in use/, 'one that is taken');

$t->finish();
done_testing();

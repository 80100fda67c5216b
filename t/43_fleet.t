#!/usr/bin/perl

# The measure of a large fleet's forecasts, on a small one: what it prints,
# for any number of threads.  Its times are for people, not for tests.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use ShardTest;

my $t = ShardTest->new();
my $program = $t->program('bench/forecast_fleet');

plan(skip_all => 'no build/bench/forecast_fleet') if !-x $program;

for my $threads (1, 3) {
    my ($status, $out, $err) = $t->run($program, '--shards', 12, '--days', 9,
                                       '--horizon', 12, '--threads', $threads);
    is($status, 0, "$threads threads") or diag($err);

    my $r = eval { decode_json($out) } || {};
    is($r->{shards}, 12, 'shards');
    is($r->{days}, 9, 'days');
    is($r->{threads}, $threads, 'threads');
    cmp_ok($r->{$_} // -1, '>', 0, "$_: " . ($r->{$_} // 'none'))
        for qw/ refit_s tick_s refit_cpu_s rss_mb /;
}

my ($status, $out, $err) = $t->run($program, '--shards', 0);
is($status, 2, 'no shards: usage');
like($err, qr/--shards 1/, 'and says what is possible');

($status, $out, $err) = $t->run($program, '/nonexistent.csv');
is($status, 1, 'no such file: fails');
like($err, qr{cannot read /nonexistent\.csv}, 'and says which');

$t->finish();
done_testing();

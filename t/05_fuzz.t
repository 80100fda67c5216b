#!/usr/bin/perl

# Every fuzz target for a few seconds, from its seeds: enough to catch a
# parser that broke; `make fuzz` looks for longer.

use strict;
use warnings;

use File::Basename qw(basename dirname);
use File::Temp qw(tempdir);
use Test::More;

my $root = dirname(__FILE__) . '/..';
my $seconds = $ENV{FUZZ_SECONDS} || 3;
my @targets = map { basename($_, '.c') } glob("$root/fuzz/*.c");

my $tmp = tempdir(CLEANUP => 1);

open(my $probe, '>', "$tmp/probe.c") or die "$tmp/probe.c: $!\n";
print $probe "#include <stddef.h>\n#include <stdint.h>\n"
    . "int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)"
    . " { (void) d; (void) n; return 0; }\n";
close($probe);

if (system("clang -fsanitize=fuzzer,address,undefined -o $tmp/probe"
           . " $tmp/probe.c >$tmp/probe.log 2>&1"))
{
    plan skip_all => 'no clang with libFuzzer here (libclang-rt-14-dev)';
}

ok(scalar @targets, scalar(@targets) . ' targets');
is(system("make -s -C '$root' fuzzers >$tmp/make.log 2>&1"), 0, 'they build')
    or diag(slurp("$tmp/make.log"));

for my $name (@targets) {
    my $log = "$tmp/$name.log";
    my @seeds = glob("$root/fuzz/corpus/$name/*");

    ok(scalar @seeds, "$name: " . scalar(@seeds) . ' seeds');
    mkdir("$tmp/$name");

    my $status = system("'$root/build/fuzz/$name' -verbosity=0"
                        . " -max_total_time=$seconds -timeout=5"
                        . " -rss_limit_mb=1024 -max_len=8192"
                        . " -print_final_stats=1"
                        . " -artifact_prefix='$root/build/fuzz/$name-'"
                        . " $tmp/$name '$root/fuzz/corpus/$name'"
                        . " >$log 2>&1");

    is($status, 0, "$name: nothing found in $seconds s")
        or diag(join("\n", grep { defined } (split(/\n/, slurp($log)))[-40 .. -1]));

    my ($runs) = slurp($log) =~ /number_of_executed_units:\s+(\d+)/;
    cmp_ok($runs || 0, '>', 1000, "$name: inputs tried");
}

done_testing();


sub slurp {
    my ($path) = @_;

    open(my $in, '<', $path) or return '';
    local $/;
    my $text = <$in>;

    return defined $text ? $text : '';
}

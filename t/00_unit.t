#!/usr/bin/perl

# Runs every C unit test that `make units` built, and the same ones of the
# sanitizer build where there is one, each as one subtest.

use strict;
use warnings;

use File::Basename qw(basename dirname);
use Test::More;

my $root = dirname(__FILE__) . '/..';
my @sources = map { basename($_, '.c') } glob("$root/t/unit/*.c");

plan skip_all => 'no unit tests in t/unit' unless @sources;

for my $dir ('build/unit', 'build/san/unit') {
    next if $dir =~ /san/ && !-d "$root/$dir";

    for my $name (@sources) {
        subtest "$dir/$name" => sub { run_unit("$root/$dir/$name") };
    }
}

done_testing();


sub run_unit {
    my ($program) = @_;

    ok(-x $program, "$program is built") or do {
        diag('run "make units"');
        return;
    };

    open(my $out, '-|', "'$program' 2>&1") or die "$program: $!\n";

    my ($plan, $passed, $failed, $skipped) = (undef, 0, 0);
    my @last;

    while (my $line = <$out>) {
        chomp $line;

        push @last, $line;
        shift @last if @last > 25;

        if ($line =~ /^1\.\.0 # SKIP (.*)/) {
            $skipped = $1;

        } elsif ($line =~ /^1\.\.(\d+)/) {
            $plan = $1;

        } elsif ($line =~ /^not ok/) {
            $failed++;
            diag($line);

        } elsif ($line =~ /^ok /) {
            $passed++;

        } elsif ($line =~ /^# (failed|got|expected|planned)/
                 || $line =~ /runtime error|Sanitizer/)
        {
            diag($line);

        } elsif ($line =~ /^# /) {
            note($line);
        }
    }

    close($out);

    my $status = $?;

    # needs a server, which another test starts for it
    if (defined $skipped) {
        is($status, 0, "skipped: $skipped");
        return;
    }

    is($failed, 0, "$passed checks passed");
    is($plan, $passed + $failed, 'as many as planned');
    ok($plan, 'at least one check');
    is($status, 0, 'exit status') or diag(join("\n", @last));
}

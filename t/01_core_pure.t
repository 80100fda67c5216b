#!/usr/bin/perl

# src/core runs in shared memory, on a heap, under a fuzzer: its objects may
# want nothing of the outside but the memory and string functions that the
# compiler itself calls, and keep nothing that can be written.

use strict;
use warnings;

use File::Basename qw(basename dirname);
use Test::More;

my $root = dirname(__FILE__) . '/..';

my %allowed = map { $_ => 1 } qw(
    memcpy memmove memset memcmp memchr bcmp strlen strcmp strncmp strchr
    __memcpy_chk __memmove_chk __memset_chk
    __stack_chk_fail _GLOBAL_OFFSET_TABLE_
);

my @sources = glob("$root/src/core/*.c");
ok(scalar @sources, scalar(@sources) . ' sources in src/core');

my (%defined, %wanted);

for my $source (@sources) {
    my $name = basename($source, '.c');
    my $object = "$root/build/obj/src/core/$name.o";

    ok(-e $object, "$name.o is built") or next;

    open(my $nm, '-|', 'nm', $object) or die "nm: $!\n";

    while (<$nm>) {
        my ($type, $symbol) = /(\S) (\S+)$/ or next;

        if ($type eq 'U') {
            push @{$wanted{$symbol}}, $name;

        } elsif ($type =~ /[DdBbCSsGg]/) {
            # "d" of relocated constants is .data.rel.ro, written by the
            # loader only
            next if $type eq 'd' && relro($object, $symbol);
            fail("$name.o: $symbol is data that can be written");

        } elsif ($type =~ /[TRVW]/) {
            like($symbol, qr/^shard_/, "$name.o: $symbol has the prefix")
                unless $symbol =~ /^shard_/;
            $defined{$symbol} = $name;
        }
    }

    close($nm) or fail("nm $object");
}

ok(scalar keys %defined, scalar(keys %defined) . ' functions of the core');

my @foreign = grep { !$allowed{$_} && !$defined{$_} } sort keys %wanted;

is(scalar @foreign, 0, 'nothing foreign is wanted')
    or diag(map { "$_: wanted by @{$wanted{$_}}\n" } @foreign);

done_testing();


sub relro {
    my ($object, $symbol) = @_;

    open(my $dump, '-|', 'objdump', '-t', $object) or die "objdump: $!\n";
    my ($line) = grep { /\s\Q$symbol\E$/ } <$dump>;
    close($dump);

    return $line && $line =~ /\s\.data\.rel\.ro/;
}

package ShardTest::Garble;

# A Redis that lies: it stands before a real one and passes commands on as
# they are; what comes back is changed now and then, so that a reader meets
# bad answers to whatever it asks, in any state it gets into.
#
#     reader ──commands──▶ Garble ──▶ redis-server
#            ◀─ changed ──        ◀── answers
#
# "share" of 1000 answers are changed: bytes of a value (its length kept), a
# value by one of another type, lengths and counts, cuts, repetitions; or the
# connection ends in the middle.  A file of a number sets the share anew.

use warnings;
use strict;

use IO::Select;
use IO::Socket::INET;
use POSIX ();


my @other = (":0\r\n", ":-1\r\n", ":9223372036854775807\r\n", "\$-1\r\n",
             "\$0\r\n\r\n", "*0\r\n", "*-1\r\n", "+OK\r\n", "-ERR odd\r\n",
             "*1\r\n\$1\r\na\r\n", "*2\r\n*0\r\n*-1\r\n",
             "\$21\r\n-18446744073709551616\r\n", "-LOADING not yet\r\n",
             "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
             "\$-2\r\n", "*2147483647\r\n", "\$2147483647\r\n", "%1\r\n",
             "_\r\n", ",inf\r\n", "#t\r\n", "*\r\n", "\r\n");

my @words = ('"', '\\', '{', '}', '[', ']', ',', ':', 'null', 'true', '-',
             '0', '9', '18446744073709551615', '1e999', "\0", "\xff", "%",
             '"lo":', '"hi":', 'held', 'shifting', '"units":[', 'n1', 'n9');


# to: address of the real one, seed, share, file; the child's pid and port

sub start {
    my ($class, %args) = @_;

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp',
                                       Listen => 64, ReuseAddr => 1)
                 or die "no port: $!\n";
    my $self = bless { listen => $listen, port => $listen->sockport(), %args },
                     $class;

    $self->share($args{share});
    $self->{parent} = $$;
    $self->{pid} = fork();
    die "cannot fork: $!\n" if !defined $self->{pid};

    if ($self->{pid} == 0) {
        $SIG{TERM} = 'DEFAULT';
        $SIG{PIPE} = 'IGNORE';
        srand($args{seed});
        eval { $self->serve() };
        print STDERR "garble: $@" if $@;
        POSIX::_exit(1);
    }

    close($listen);
    return $self;
}


sub addr { return "127.0.0.1:$_[0]->{port}" }


# how many of 1000; 0: the truth

sub share {
    my ($self, $share) = @_;

    open(my $f, '>', "$self->{file}.new") or die "$self->{file}: $!\n";
    print $f $share;
    close($f);
    rename("$self->{file}.new", $self->{file});
}


sub stop {
    my ($self) = @_;

    kill('KILL', $self->{pid}) if $self->{pid};
    waitpid($self->{pid}, 0) if $self->{pid};
    $self->{pid} = undef;
}


sub serve {
    my ($self) = @_;

    my $select = IO::Select->new($self->{listen});
    my (%peer, %from_redis);

    # it ends with its test

    while (getppid() == $self->{parent}) {
        for my $sock ($select->can_read(1)) {

            if ($sock == $self->{listen}) {
                my $client = $sock->accept() or next;
                my $redis = IO::Socket::INET->new(PeerAddr => $self->{to},
                                                  Proto => 'tcp');
                if (!$redis) {
                    close($client);
                    next;
                }

                @peer{$client, $redis} = ($redis, $client);
                $from_redis{$redis} = 1;
                $select->add($client, $redis);
                next;
            }

            my $other = $peer{$sock} or next;
            my $n = sysread($sock, my $text, 262144);

            if ($n && $from_redis{$sock}) {
                open(my $f, '<', $self->{file});
                $text = garble($text) if rand(1000) < (readline($f) || 0);
            }

            next if $n && defined $text && put($other, $text);

            for ($sock, $other) {
                $select->remove($_);
                delete $peer{$_};
                delete $from_redis{$_};
                close($_);
            }
        }
    }
}


sub put {
    my ($sock, $text) = @_;

    while (length $text) {
        my $n = syswrite($sock, $text);
        return 0 if !$n;
        substr($text, 0, $n, '');
    }

    return 1;
}


# one answer, or a piece of it; undef: the connection ends

sub garble {
    my ($text) = @_;

    my $how = int(rand(100));

    return undef if $how < 2;
    return substr($text, 0, int(rand(length $text))) if $how < 4;
    return $text . $text if $how < 5;

    # values, as [where, length] of what stands behind "$N\r\n"

    my (@values, @heads);

    while ($text =~ /(?:^|(?<=\n))([\$*:])(-?\d+)\r\n/g) {
        my ($type, $len) = ($1, $2);
        push @heads, [ $-[0], $+[0] - $-[0] ];
        push @values, [ $-[0], $+[0], $len ]
            if $type eq '$' && $len > 0 && $+[0] + $len + 2 <= length $text;
    }

    if ($how < 60 && @values) {
        my ($head, $at, $len) = @{ $values[rand @values] };

        substr($text, $head, $at - $head + $len + 2,
               bulk(mutate(substr($text, $at, $len))));
        return $text;
    }

    if ($how < 85 && @values) {
        my ($head, $at, $len) = @{ $values[rand @values] };

        substr($text, $head, $at - $head + $len + 2, $other[rand @other]);
        return $text;
    }

    if ($how < 95 && @heads) {
        my ($at, $len) = @{ $heads[rand @heads] };

        substr($text, $at, $len, $other[rand @other]);
        return $text;
    }

    return mutate($text);
}


sub bulk { return '$' . length($_[0]) . "\r\n$_[0]\r\n" }


# bytes of a value, one to four times

sub mutate {
    my ($text) = @_;

    for (0 .. int(rand(4))) {
        my $at = int(rand(length($text) + 1));
        my $how = int(rand(6));
        my $len = int(rand(12));

        $len = length($text) - $at if $len > length($text) - $at;

        if ($how == 0 && $at < length $text) {
            substr($text, $at, 1, chr(int(rand(256))));

        } elsif ($how == 1) {
            substr($text, $at, $len, '');

        } elsif ($how == 2) {
            substr($text, $at, 0, substr($text, $at, $len) x (1 + rand(20)));

        } elsif ($how == 3) {
            substr($text, $at, 0, $words[rand @words]);

        } elsif ($how == 4) {
            my @numbers;
            push @numbers, [ $-[0], $+[0] - $-[0] ] while $text =~ /\d+/g;
            next if !@numbers;
            my ($from, $n) = @{ $numbers[rand @numbers] };
            substr($text, $from, $n, int(rand(2)) ? int(rand(20))
                                                  : $words[rand @words]);

        } else {
            $text = substr($text, 0, $at);
        }
    }

    return $text;
}


1;

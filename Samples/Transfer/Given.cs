using System.CommandLine;

namespace Transfer;

/// <summary>Checks what was given on the command line.</summary>
internal static class Given
{
    /// <summary>Refuses a value, and says what to write instead.</summary>
    public static void Check<T>(Option<T> option, Func<string, bool> isRight, string use) => option.Validators.Add(result =>
    {
        if (result.Tokens is [{ Value: var given }] && !isRight(given))
            result.AddError($"{result.Option.Name} is '{given}'; use {use}.");
    });
}

namespace Broker.Tests.Support;

/// <summary>Programs of the solution as they are built, beside the tests.</summary>
internal static class BuiltProgram
{
    /// <summary>The program of a project, in the configuration that the tests run in.</summary>
    public static string Path(string project) =>
        System.IO.Path.Combine(AppContext.BaseDirectory, "..", "..", project, System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)), $"{project}.dll");
}
